using System.CommandLine;
using System.Globalization;
using System.Net;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli.Verbs;

/// <summary>Options and arguments that several verbs have.</summary>
internal static class Options
{
    public static Option<int> Silos() => WholeNumber("--silos", "Silos inside this process.", 1, 1, 64);

    /// <summary>The address of a cluster of silo processes.</summary>
    public static Option<ClusterAddress?> Cluster(bool required = false) =>
        new("--cluster")
        {
            Description =
                "The cluster: redis://[:password@]host:port[/db], or localhost:PORT for silos on one machine "
                + "without a store (PORT: the first silo's). A password may also stand in BACKPROP_REDIS_PASSWORD.",
            Required = required,
            CustomParser = result =>
            {
                if (ClusterAddress.TryParse(result.Tokens[0].Value, out var address))
                    return address;
                // Not what was got: there may be a password in it.
                result.AddError(
                    "--cluster got no address of a cluster, expected redis://[:password@]host:port[/db] or "
                        + "localhost:PORT."
                );
                return null;
            },
        };

    public static Option<IPAddress> Listen() =>
        new("--listen")
        {
            Description = "The address to listen on; 0.0.0.0 listens on all and tells others this host's own.",
            DefaultValueFactory = _ => IPAddress.Loopback,
            CustomParser = result =>
            {
                if (IPAddress.TryParse(result.Tokens[0].Value, out var address))
                    return address;
                result.AddError($"--listen got '{result.Tokens[0].Value}', expected an IP address.");
                return IPAddress.Loopback;
            },
        };

    public static Option<bool> Json() =>
        new("--json") { Description = "Print one JSON object on standard output, and nothing else there." };

    public static Argument<string> RunFile() => new("RUN.yaml") { Description = "The run file." };

    public static Option<string> RunDirectory() =>
        new("--run-dir") { Description = "Where run folders are.", DefaultValueFactory = _ => "runs" };

    public static Argument<string> Run() => new("RUN") { Description = "The run's id: its folder's name." };

    public static Option<string[]> Set() =>
        new("--set")
        {
            Description = "Replace a value of the run file: key=value, e.g. training.epochs=3.",
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = false,
        };

    public static Option<int> WholeNumber(string name, string description, int standard, int from, int to) =>
        new(name)
        {
            Description = description,
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (
                    int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
                    && value >= from
                    && value <= to
                )
                    return value;
                result.AddError($"{name} got '{text}', expected a whole number from {from} to {to}.");
                return standard;
            },
        };

    /// <summary>A time with its unit.</summary>
    public static Option<TimeSpan> Duration(string name, string description, TimeSpan standard) =>
        new(name)
        {
            Description = description,
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (Quantity.TryParseDuration(text, out var value))
                    return value;
                result.AddError($"{name} got '{text}', expected a time with its unit, such as 30s or 5m.");
                return standard;
            },
        };

    /// <summary>A list such as "neuron,16,layer".</summary>
    public static Option<Granularity[]> Granularities(params Granularity[] standard) =>
        new("--granularity")
        {
            Description = "Cuts to try, separated by commas: neuron, layer or a number of units.",
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                var cuts = new List<Granularity>();
                foreach (var text in result.Tokens[0].Value.Split(','))
                {
                    if (Granularity.TryParse(text, out var granularity))
                        cuts.Add(granularity);
                    else
                        result.AddError($"--granularity got '{text}', expected neuron, layer or a number of units.");
                }

                return [.. cuts];
            },
        };

    /// <summary>A list such as "1,3".</summary>
    public static Option<int[]> SiloCounts(params int[] standard) =>
        new("--silos")
        {
            Description = "Numbers of silos to try, separated by commas.",
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                var counts = new List<int>();
                foreach (var text in result.Tokens[0].Value.Split(','))
                {
                    if (
                        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
                        && count is >= 1 and <= 64
                    )
                        counts.Add(count);
                    else
                        result.AddError($"--silos got '{text}', expected whole numbers from 1 to 64.");
                }

                return [.. counts];
            },
        };
}
