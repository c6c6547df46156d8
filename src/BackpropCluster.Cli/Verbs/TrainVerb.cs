using System.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains;
using Microsoft.Extensions.DependencyInjection;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>train RUN.yaml</c>: trains to the end on silos inside this process; <c>train --resume RUN</c> goes on with a run.</summary>
internal static class TrainVerb
{
    public static Command Create()
    {
        var path = new Argument<string?>("RUN.yaml") { Description = "The run file. With --resume it may be left out.", Arity = ArgumentArity.ZeroOrOne };
        var set = Options.Set();
        var resume = new Option<string?>("--resume") { Description = "Go on with this run from its newest checkpoint. Silos and granularity may be others than before." };
        var directory = Options.RunDirectory();
        var port = Options.WholeNumber("--silo-port", "The first silo's port, the next one above for each further silo; 0 takes free ones.", 0, 0, 65_000);
        var json = Options.Json();
        var train = new Command("train", "Train a run file to its end, or go on with a run") { path, set, resume, directory, port, json };
        train.Validators.Add(result =>
        {
            if (result.GetValue(path) is null && result.GetValue(resume) is null) result.AddError("train got neither a run file nor --resume RUN.");
        });
        train.SetAction((parsed, cancellation) =>
        {
            var (runDirectory, sets) = (parsed.GetValue(directory)!, parsed.GetValue(set));
            var training = parsed.GetValue(resume) is { } run
                ? new Training(run, Resumed(runDirectory, run, parsed.GetValue(path), sets), runDirectory, IsResumed: true)
                : Began(RunFileLoader.Load(parsed.GetValue(path)!, sets), runDirectory);
            return Run(training, parsed.GetValue(port), parsed.GetValue(json), cancellation);
        });
        return train;
    }

    private static Training Began(RunFile file, string directory) =>
        new(RunFolder.NewId(file.Spec.Name, TimeProvider.System.GetUtcNow()), file, directory, IsResumed: false);

    private static RunFile Resumed(string directory, string run, string? path, string[]? sets)
    {
        var begun = RunFolder.Read(directory, run, null);
        var file = path is null ? RunFolder.Read(directory, run, sets) : RunFileLoader.Load(path, sets);
        // All lines but the last two, which say where and how often to save, decide about the result.
        string[] Deciding(RunFile f) => (f with { Cluster = begun.Cluster }).ToYaml().Split('\n');
        var difference = Deciding(begun).Zip(Deciding(file)).FirstOrDefault(lines => lines.First != lines.Second);
        return difference == default && Deciding(begun).Length == Deciding(file).Length
            ? file
            : throw new CommandFailedException(ExitCode.Usage, $"run {run} was begun with '{difference.First?.Trim()}', this file says '{difference.Second?.Trim()}': it would be another run. Nothing was started. Train it as a new run, or change only cluster, training.checkpoint_every and training.log_every.");
    }

    private static async Task<int> Run(Training training, int port, bool json, CancellationToken cancellation)
    {
        var (run, file, directory, isResumed) = training;
        var data = Planner.Load(file);
        var plan = Planner.Plan(run, file, data);
        var report = new TrainReport(plan, file);
        if (!isResumed && Directory.Exists(RunFolder.PathOf(directory, run))) throw new CommandFailedException(ExitCode.File, $"{RunFolder.PathOf(directory, run)} exists already. Nothing was started. Start the command again.");
        await using var cluster = await EmbeddedCluster.Start(
            file.Cluster.Silos, port == 0 ? null : port, services => services.AddSingleton(DataCatalog.Holding(plan, data)).AddCheckpointFolder(directory), cancellation);
        using var folder = isResumed ? RunFolder.Reopen(directory, run) : RunFolder.Create(directory, run, file);
        if (!json) report.Model();

        var outcome = await TrainingClient.Train(cluster.Grains, plan, file.Cluster.StepDeadline, Watch, cancellation: cancellation);
        if (outcome.Result is null)
        {
            folder.End(new { run, status = outcome.Last.Status == Core.Protocol.RunStatus.Interrupted ? "interrupted" : "failed", steps = outcome.Last.CommittedSteps, reason = outcome.Last.Failure?.Reason });
            throw Failures.Of(outcome.Last, run, directory);
        }

        var summary = Summary.Of(plan, outcome);
        folder.End(summary);
        if (json) Output.Json(summary);
        else report.Result(outcome, summary, folder.Path);
        return file.Spec.Training.Stop is not { } stop || stop.IsMet(outcome.Result.Evaluations[^1].Score)
            ? ExitCode.Done
            : throw new CommandFailedException(ExitCode.TrainingFailed, $"the target was not met: {Words.Of(Words.StopMetrics, stop.Metric)} {stop.At} after {summary.Epochs} epochs. The run is complete otherwise. Train longer, or lower training.stop.at.");

        void Watch(RunProgress progress)
        {
            folder.Write(progress);
            report.Warnings(progress);
            if (!json) report.Progress(progress);
        }
    }

    /// <param name="Run">Its id.</param>
    /// <param name="File">What to train.</param>
    /// <param name="Directory">Where its folder is, or will be.</param>
    /// <param name="IsResumed">Whether it goes on from a checkpoint.</param>
    private sealed record Training(string Run, RunFile File, string Directory, bool IsResumed);
}
