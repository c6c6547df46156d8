using System.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains;
using Microsoft.Extensions.DependencyInjection;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>train RUN.yaml</c>: trains to the end on silos inside this process.</summary>
internal static class TrainVerb
{
    public static Command Create()
    {
        var path = Options.RunFile();
        var set = Options.Set();
        var directory = new Option<string>("--run-dir") { Description = "Where run folders are made.", DefaultValueFactory = _ => "runs" };
        var port = Options.WholeNumber("--silo-port", "The first silo's port, the next one above for each further silo; 0 takes free ones.", 0, 0, 65_000);
        var json = Options.Json();
        var train = new Command("train", "Train a run file to its end") { path, set, directory, port, json };
        train.SetAction((parsed, cancellation) =>
            Run(RunFileLoader.Load(parsed.GetValue(path)!, parsed.GetValue(set)), parsed.GetValue(directory)!, parsed.GetValue(port), parsed.GetValue(json), cancellation));
        return train;
    }

    private static async Task<int> Run(RunFile file, string directory, int port, bool json, CancellationToken cancellation)
    {
        var run = RunFolder.NewId(file.Spec.Name, TimeProvider.System.GetUtcNow());
        var data = Planner.Load(file);
        var plan = Planner.Plan(run, file.Spec, file.Cluster.Granularity, data);
        var report = new TrainReport(plan, file);
        await using var cluster = await EmbeddedCluster.Start(file.Cluster.Silos, port == 0 ? null : port, services => services.AddSingleton(DataCatalog.Holding(plan, data)), cancellation);
        using var folder = RunFolder.Create(directory, run, file);
        if (!json) report.Model();

        var committed = 0;
        try
        {
            var outcome = await TrainingClient.Train(cluster.Grains, plan, file.Cluster.StepDeadline, Watch, cancellation);
            if (outcome.Result is null) throw Failures.Of(outcome.Last, run);
            var summary = Summary.Of(plan, file.Cluster.Silos, outcome, [.. cluster.Traffic]);
            if (json) Output.Json(summary);
            else report.Result(outcome, summary, folder.Path);
            return file.Spec.Training.Stop is not { } stop || stop.IsMet(outcome.Result.Evaluations[^1].Score)
                ? ExitCode.Done
                : throw new CommandFailedException(ExitCode.TrainingFailed, $"the target was not met: {Words.Of(Words.StopMetrics, stop.Metric)} {stop.At} after {summary.Epochs} epochs. The run is complete otherwise. Train longer, or lower training.stop.at.");
        }
        catch (OperationCanceledException)
        {
            throw new CommandFailedException(ExitCode.Interrupted, $"run {run} was interrupted after {committed} steps. Its losses are in {folder.Path}; its parameters are gone. Train again from the start.");
        }

        void Watch(RunProgress progress)
        {
            committed = progress.CommittedSteps;
            folder.Write(progress);
            if (!json) report.Progress(progress);
        }
    }
}
