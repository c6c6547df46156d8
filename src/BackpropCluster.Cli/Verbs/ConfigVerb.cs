using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>config check RUN.yaml</c> reads a run file as <c>train</c> would and starts nothing; <c>config
/// schema</c> describes run files to editors.</summary>
internal static class ConfigVerb
{
    public static Command Create()
    {
        var path = Options.RunFile();
        var set = Options.Set();
        var json = Options.Json();
        var check = new Command("check", "Read a run file strictly and say what it would train") { path, set, json };
        check.SetAction(
            (parsed, cancellation) =>
                Check(parsed.GetValue(path)!, parsed.GetValue(set), parsed.GetValue(json), cancellation)
        );
        var schema = new Command("schema", "Print the JSON Schema of run files, for editors");
        schema.SetAction(_ =>
        {
            System.Console.Out.WriteLine(
                RunFileSchema.Create().ToJsonString(new JsonSerializerOptions { WriteIndented = true })
            );
            return ExitCode.Done;
        });
        return new Command("config", "Work with run files") { check, schema };
    }

    private static async Task<int> Check(string path, string[]? sets, bool json, CancellationToken cancellation)
    {
        var file = await RunFileLoader.UntilASignal(() => RunFileLoader.Load(path, sets), cancellation);
        var plan = Planner.Plan("check", file, Planner.Load(file));
        var steps = new BatchOrder(plan.Spec.Data, plan.Spec.Training.Epochs, plan.Spec.Seed, plan.TrainingRows).Steps;
        var parameters = plan.Spec.Model.Parameters(plan.Features);
        if (json)
            Output.Json(
                new
                {
                    ok = true,
                    name = plan.Spec.Name,
                    plan.TrainingRows,
                    plan.TestRows,
                    parameters,
                    shards = plan.ShardCount,
                    steps,
                    plan.MessagesPerStep,
                }
            );
        else
            System.Console.Out.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{path}: ok. {parameters:N0} parameters in {plan.ShardCount:N0} shards, {plan.TrainingRows:N0} "
                        + $"training and {plan.TestRows:N0} test rows, {steps:N0} steps of "
                        + $"{plan.MessagesPerStep:N0} messages"
                )
            );
        return ExitCode.Done;
    }
}
