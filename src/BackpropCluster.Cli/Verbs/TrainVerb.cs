using System.CommandLine;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>train RUN.yaml</c>: trains to the end on silos inside this process, or on a cluster's; <c>train --resume
/// RUN</c> goes on with a run, or watches one that a cluster goes on with by itself.</summary>
internal static class TrainVerb
{
    public static Command Create()
    {
        var path = new Argument<string?>("RUN.yaml")
        {
            Description = "The run file. With --resume it may be left out.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var set = Options.Set();
        var resume = new Option<string?>("--resume")
        {
            Description =
                "Go on with this run from its newest checkpoint. Silos and granularity may be others than before.",
        };
        var cluster = Options.Cluster();
        var directory = Options.RunDirectory();
        var port = Options.WholeNumber(
            "--silo-port",
            "The first silo's port, the next one above for each further silo; 0 takes free ones.",
            0,
            0,
            65_000
        );
        var wait = Options.Duration(
            "--wait",
            "How long to look for a silo of --cluster when none answers any more, such as 30s or 5m.",
            Patience.Usual
        );
        var json = Options.Json();
        var train = new Command("train", "Train a run file to its end, or go on with a run")
        {
            path,
            set,
            resume,
            cluster,
            directory,
            port,
            wait,
            json,
        };
        train.Validators.Add(result =>
        {
            if (result.GetValue(path) is null && result.GetValue(resume) is null)
                result.AddError("train got neither a run file nor --resume RUN.");
        });
        train.SetAction(
            async (parsed, cancellation) =>
            {
                TelemetryExport.Endpoints();
                var request = new TrainRequest(
                    parsed.GetValue(path),
                    parsed.GetValue(set),
                    parsed.GetValue(resume),
                    parsed.GetValue(directory)!
                );
                await using var session = parsed.GetValue(cluster) is { } address
                    ? await TrainingSession.OfCluster(request, address, cancellation)
                    : await TrainingSession.Embedded(request, parsed.GetValue(port), cancellation);
                using var export = Export(session);
                return await Run(
                    session,
                    new Patience(parsed.GetValue(wait), System.Console.Error.WriteLine),
                    parsed.GetValue(json),
                    cancellation
                );
            }
        );
        return train;
    }

    private static TelemetryExport? Export(TrainingSession session)
    {
        var orleans = session.Cluster is null && session.File.Trace.Orleans;
        var export = TelemetryExport.FromEnvironment(Environment.MachineName, orleans);
        if (orleans && export is null)
            System.Console.Error.WriteLine(
                "trace.orleans: Orleans' spans are only sent to a collector, and "
                    + "OTEL_EXPORTER_OTLP_ENDPOINT names none"
            );
        return export;
    }

    private static async Task<int> Run(
        TrainingSession session,
        Patience patience,
        bool json,
        CancellationToken cancellation
    )
    {
        // From here on there is a folder and a run, which is saved when it is interrupted.
        cancellation.ThrowIfCancellationRequested();
        using var folder = session.OpenFolder();
        var report = new TrainReport(session.Plan, session.File, session.Silos, session.Where);
        if (!json)
            report.Model();
        var outcome = await Follow(session, folder, report, patience, json, cancellation);
        var run = session.Plan.Run;
        if (outcome.Result is null)
        {
            folder?.End(
                new
                {
                    run,
                    status = outcome.Last.Status == Core.Protocol.RunStatus.Interrupted ? "interrupted" : "failed",
                    steps = outcome.Last.CommittedSteps,
                    reason = outcome.Last.Failure?.Reason,
                }
            );
            throw Failures.Of(outcome.Last, run, session.GoOn);
        }

        var summary = Summary.Of(outcome);
        folder?.End(summary);
        if (json)
            Output.Json(summary);
        else
            report.Result(outcome, summary, folder?.Path);
        if (folder?.Unwritten is { } why)
            throw new CommandFailedException(
                ExitCode.File,
                $"run {run} is trained, its result is told, but not all of {folder.Path} could be written: {why}. "
                    + $"When it can, write it anew with: {session.GoOn}"
            );
        // A run file with a target has test rows, so there is an evaluation of the last step.
        return session.File.Spec.Training.Stop is not { } stop || stop.IsMet(outcome.Result.Evaluations[^1].Score)
            ? ExitCode.Done
            : throw new CommandFailedException(
                ExitCode.TrainingFailed,
                $"the target was not met: {Words.Of(Words.StopMetrics, stop.Metric)} {stop.At} after "
                    + $"{summary.Epochs} epochs. The run is complete otherwise. Train longer, or lower "
                    + $"training.stop.at."
            );
    }

    private static async Task<TrainingOutcome> Follow(
        TrainingSession session,
        RunFolder? folder,
        TrainReport report,
        Patience patience,
        bool json,
        CancellationToken cancellation
    )
    {
        using var cancelled = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            return await TrainingClient.Train(
                session.Grains,
                session.Plan,
                session.File.Cluster.StepDeadline,
                Watch,
                session.File.ToYaml(),
                patience,
                cancelled.Token
            );
        }
        catch (OperationCanceledException) when (cancelled.IsCancellationRequested)
        {
            throw new CommandFailedException(
                ExitCode.Interrupted,
                $"interrupted while no silo answered: run {session.Plan.Run} is as its silos left it. Go on with: "
                    + $"{session.GoOn}"
            );
        }
        catch (Exception e) when (e is SiloRefusedException or RunTakenException)
        {
            folder?.Undo();
            throw;
        }

        void Watch(RunProgress progress)
        {
            if (folder?.IsCancelled == true)
                cancelled.Cancel();
            folder?.Keep(progress);
            report.Warnings(progress);
            if (!json)
                report.Progress(progress);
        }
    }
}
