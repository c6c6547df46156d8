using System.CommandLine;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Data;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>checkpoint list|export|verify RUN</c>: what a run has saved.</summary>
internal static class CheckpointVerb
{
    public static Command Create() =>
        new("checkpoint", "Look at what a run has saved") { ListCommand(), ExportCommand(), VerifyCommand() };

    private static Command ListCommand()
    {
        var (run, cluster, directory, json) = (
            Options.Run(),
            Options.Cluster(),
            Options.RunDirectory(),
            Options.Json()
        );
        var command = new Command("list", "List a run's checkpoints; step 0 is the initial model")
        {
            run,
            cluster,
            directory,
            json,
        };
        command.SetAction(
            async (parsed, cancellation) =>
            {
                await using var checkpoints = await Open(
                    parsed.GetValue(cluster),
                    parsed.GetValue(directory)!,
                    parsed.GetValue(run)!,
                    cancellation
                );
                Print(parsed.GetValue(run)!, await checkpoints.Verify(), parsed.GetValue(json));
                return ExitCode.Done;
            }
        );
        return command;
    }

    private static Command VerifyCommand()
    {
        var (run, cluster, directory, json) = (
            Options.Run(),
            Options.Cluster(),
            Options.RunDirectory(),
            Options.Json()
        );
        var command = new Command("verify", "Read every checkpoint of a run whole and compare all hashes")
        {
            run,
            cluster,
            directory,
            json,
        };
        command.SetAction(
            async (parsed, cancellation) =>
            {
                await using var checkpoints = await Open(
                    parsed.GetValue(cluster),
                    parsed.GetValue(directory)!,
                    parsed.GetValue(run)!,
                    cancellation
                );
                var verified = await checkpoints.Verify();
                Print(parsed.GetValue(run)!, verified, parsed.GetValue(json));
                var broken = verified.Count(v => v.Problem is not null);
                return broken == 0
                    ? ExitCode.Done
                    : throw new CommandFailedException(
                        ExitCode.VerificationFailed,
                        $"{broken} of {verified.Count} checkpoints of run {parsed.GetValue(run)} are broken. The "
                            + $"others are whole. To resume skips broken ones by itself."
                    );
            }
        );
        return command;
    }

    private static Command ExportCommand()
    {
        var (run, cluster, directory, json) = (
            Options.Run(),
            Options.Cluster(),
            Options.RunDirectory(),
            Options.Json()
        );
        var step = new Option<int?>("--step")
        {
            Description = "Which checkpoint; the newest whole one if not given, 0 for the initial model.",
        };
        var to = new Option<string>("--to") { Description = "The safetensors file to write.", Required = true };
        var command = new Command("export", "Write a checkpoint's parameters as a safetensors file")
        {
            run,
            step,
            to,
            cluster,
            directory,
            json,
        };
        command.SetAction(
            async (parsed, cancellation) =>
            {
                await using var checkpoints = await Open(
                    parsed.GetValue(cluster),
                    parsed.GetValue(directory)!,
                    parsed.GetValue(run)!,
                    cancellation
                );
                var (version, layers) = await checkpoints.Parameters(parsed.GetValue(step));
                var path = parsed.GetValue(to)!;
                Write(path, parsed.GetValue(run)!, version, layers);
                var sha256 = Core.Learning.WeightsHash.Sha256(layers.Select(l => (l.Weights, l.Biases)));
                if (parsed.GetValue(json))
                    Output.Json(
                        new
                        {
                            run = parsed.GetValue(run),
                            step = version,
                            file = Path.GetFullPath(path),
                            weightsSha256 = sha256,
                        }
                    );
                else
                    System.Console.Out.WriteLine(
                        $"{path}: step {version.ToString(CultureInfo.InvariantCulture)}, weights sha256 {sha256}"
                    );
                return ExitCode.Done;
            }
        );
        return command;
    }

    private static void Write(string path, string run, int version, IReadOnlyList<Core.Learning.LayerParameters> layers)
    {
        try
        {
            // Beside its name first: a file that was only half written must not look like a model.
            using (var file = File.Create(path + ".new"))
                Safetensors.Write(
                    file,
                    [.. layers.SelectMany((layer, l) => ToTensors(layer, l))],
                    new Dictionary<string, string>
                    {
                        ["run"] = run,
                        ["step"] = version.ToString(CultureInfo.InvariantCulture),
                    }
                );
            File.Move(path + ".new", path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException(
                ExitCode.File,
                $"{path} cannot be written: {e.Message} Nothing was exported. Choose another --to."
            );
        }
    }

    private static async Task<Checkpoints> Open(
        ClusterAddress? cluster,
        string directory,
        string run,
        CancellationToken cancellation
    ) => cluster is null ? Checkpoints.Open(directory, run) : await Checkpoints.Open(cluster, run, cancellation);

    private static IEnumerable<Tensor> ToTensors(Core.Learning.LayerParameters layer, int index) =>
        [
            new(
                string.Create(CultureInfo.InvariantCulture, $"layers.{index}.weight"),
                [layer.Biases.Length, layer.Weights.Length / layer.Biases.Length],
                layer.Weights
            ),
            new(
                string.Create(CultureInfo.InvariantCulture, $"layers.{index}.bias"),
                [layer.Biases.Length],
                layer.Biases
            ),
        ];

    private static void Print(string run, List<Checkpoints.Verified> checkpoints, bool json)
    {
        if (json)
        {
            Output.Json(
                new
                {
                    run,
                    checkpoints = checkpoints
                        .Select(c => new
                        {
                            step = c.Id.Version,
                            term = c.Id.Term,
                            granularity = c.Checkpoint?.Granularity.ToString(),
                            shards = c.Checkpoint?.Parts.Length,
                            loss = c.Checkpoint?.Losses.LastOrDefault().Loss,
                            weightsSha256 = c.WeightsSha256,
                            ok = c.Problem is null,
                            problem = c.Problem,
                        })
                        .Prepend(
                            new
                            {
                                step = 0,
                                term = 0,
                                granularity = (string?)null,
                                shards = (int?)0,
                                loss = (double?)null,
                                weightsSha256 = (string?)null,
                                ok = true,
                                problem = (string?)null,
                            }
                        ),
                }
            );
            return;
        }

        System.Console.Out.WriteLine("step 0  the initial model, made from the run file");
        foreach (var c in checkpoints)
            System.Console.Out.WriteLine(
                c.Checkpoint is { } whole
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"step {c.Id.Version}  ok  loss {whole.Losses[^1].Loss:0.000000}  {whole.Granularity} cut, "
                            + $"{whole.Parts.Length} shards  weights sha256 {c.WeightsSha256}"
                    )
                    : string.Create(CultureInfo.InvariantCulture, $"step {c.Id.Version}  BROKEN  {c.Problem}")
            );
    }
}
