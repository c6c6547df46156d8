using System.Buffers;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Takes what a run's coordinator observes, and tells it as metrics, as log lines and as spans.</summary>
internal sealed class RunTelemetry(RunPlan plan, string silo, ILogger logger)
{
    // What nobody fetches is forgotten, the oldest first: a run may go on for days without a client.
    private const int KeptTraceBytes = 16 << 20;
    private static readonly long TellEvery = (long)TimeSpan.FromMilliseconds(100).TotalNanoseconds;
    private readonly StepTracer tracer = new(plan, () => TraceClock.Now);
    private readonly List<byte[]> traces = [];

    // For one trace after the other: a buffer that grew anew for each would be large garbage, and what collects that
    // stops all threads.
    private readonly ArrayBufferWriter<byte> lines = new();
    private int forgotten;
    private long keptBytes;
    private long phaseBegan = TraceClock.Now; // the last to begin; first of all the request to lead
    private long stepBegan;
    private long reportedAt;
    private bool hasLed;

    // Of steps that are not told yet: nobody collects ten times a second, and a small model's step is as long as a
    // hundred measurements.
    private long steps,
        rows,
        toldAt;
    private BatchMetrics? latest;

    public StepTracer Tracer => tracer;

    public int PendingTraces => tracer.Pending;

    /// <summary>Traces after the first so many, and how many came before them.</summary>
    public (byte[][] New, int Earlier) TracesSince(int seen)
    {
        lock (traces)
        {
            var known = Math.Clamp(seen - forgotten, 0, traces.Count);
            return ([.. traces.Skip(known)], forgotten + known);
        }
    }

    /// <summary>Takes what has happened to the run.</summary>
    public void OnObservation(RunObservation observation)
    {
        var now = TraceClock.Now;
        switch (observation)
        {
            case StepBegun:
                stepBegan = now;
                break;
            case LossReported:
                reportedAt = now;
                Phase("forward", now - stepBegan);
                break;
            case StepCommitted committed:
                Commit(committed, now);
                break;
            default:
                TellSteps(now);
                Boundary(observation, now);
                break;
        }
    }

    /// <summary>Called several times a second: tells of steps that nothing has followed.</summary>
    public void Tick(CoordinatorActor state)
    {
        if (TraceClock.Now is var now && now - toldAt > TellEvery)
            TellSteps(now);
        FinishTraces(state);
    }

    /// <summary>Called after each message, too: writes the traces that are complete.</summary>
    public void FinishTraces(CoordinatorActor state) => tracer.Finish(state, Keep);

    private void Commit(StepCommitted committed, long now)
    {
        Metrics.StepDuration.Record((now - stepBegan) / 1e9);
        Phase("backward", now - reportedAt);
        if (committed.IsReplayed)
            Metrics.ReplayedSteps.Add(1);
        (steps, rows, latest) = (steps + 1, rows + committed.Score.Rows, committed.Score);
        if (now - toldAt > TellEvery)
            TellSteps(now);
    }

    private void TellSteps(long now)
    {
        if (latest is not { } metrics)
            return;
        Metrics.Steps.Add(steps);
        Metrics.Rows.Add(rows);
        Tell(metrics, "train");
        (steps, rows, latest, toldAt) = (0, 0, null, now);
    }

    // Between two steps: what takes long there has a duration and a span in the trace of the step before.
    private void Boundary(RunObservation observation, long now)
    {
        switch (observation)
        {
            case RestoreBegun restore:
                Lead(restore);
                break;
            case RestoreDone:
                Phase("restore", now - phaseBegan);
                break;
            case EvaluationDone evaluation:
                Phase("evaluate", now - phaseBegan);
                tracer.After(evaluation.Key.Step, "evaluate", phaseBegan, now);
                Tell(evaluation.Score, "test");
                break;
            case CheckpointSaved save:
                EndSave(save.Key.Step, now, Metrics.Written);
                logger.LogInformation("run {Run} is saved at step {Step}", plan.Run, save.Key.Step);
                break;
            case SaveFailed save:
                EndSave(save.Key.Step, now, Metrics.Failed);
                break;
            default:
                Change(observation, now);
                break;
        }

        if (observation is RestoreBegun or EvaluationBegun or SaveBegun or RecoveryBegun)
            phaseBegan = now;
    }

    private void Lead(RestoreBegun restore)
    {
        var (term, step) = (restore.Key.Term, restore.Key.CommittedVersion);
        if (!hasLed && term > 1)
        {
            Metrics.Takeovers.Add(1);
            tracer.Before("take over", phaseBegan);
        }

        hasLed = true;
        logger.LogInformation(
            "run {Run} is led here in term {Term}, from step {Step} on {Silos} silos",
            plan.Run,
            term,
            step,
            restore.Placement.Silos.Length
        );
    }

    private void EndSave(int step, long now, KeyValuePair<string, object?> outcome)
    {
        Phase("save", now - phaseBegan);
        tracer.After(step, "save checkpoint", phaseBegan, now);
        Metrics.Checkpoints.Add(1, outcome);
    }

    // What does not belong to a run that nothing disturbs, and its end.
    private void Change(RunObservation observation, long now)
    {
        var step = observation.Key.CommittedVersion;
        switch (observation)
        {
            case RecoveryBegun recovery:
                Metrics.Recoveries.Add(1);
                tracer.Before("recover", now);
                logger.LogWarning(
                    "run {Run} recovers from step {Step}, in a term above {Term}: {Reason}",
                    plan.Run,
                    recovery.Key.Step,
                    recovery.Key.Term,
                    recovery.Reason
                );
                break;
            case RebalanceBegun:
                Metrics.Moves.Add(1);
                tracer.Before("change placement", now);
                logger.LogInformation("run {Run} moves its actors at step {Step}: silos came or left", plan.Run, step);
                break;
            case StaleMessageDropped:
                Metrics.StaleMessages.Add(1);
                break;
            case RunWarned warned:
                logger.LogWarning("run {Run}: {Warning}", plan.Run, warned.Warning);
                break;
            case RunPaused paused:
                logger.LogWarning("run {Run} pauses at step {Step}: {Reason}", plan.Run, step, paused.Reason);
                break;
            case RunResumed:
                logger.LogInformation("run {Run} goes on at step {Step}", plan.Run, step);
                break;
            case RunEnded { Status: RunStatus.HandedOver }:
                logger.LogInformation("run {Run} is handed over at step {Step}: this silo leaves", plan.Run, step);
                break;
            case RunEnded end:
                var reason = end.Failure is { } failure ? $": {failure.Reason}" : "";
                logger.LogInformation(
                    "run {Run} is {Status} after {Steps} steps{Reason}",
                    plan.Run,
                    end.Status,
                    step,
                    reason
                );
                break;
        }
    }

    private void Keep(IReadOnlyList<TraceSpan> spans)
    {
        // A line for each silo; root and phases are told by the coordinator's.
        lines.ResetWrittenCount();
        foreach (var ofSilo in spans.GroupBy(s => s.Find(TraceWords.Silo)?.Text ?? silo))
            OtlpJson.WriteLine(lines, ofSilo, TraceResource.OfSilo(ofSilo.Key));
        var bytes = lines.WrittenSpan.ToArray();
        lock (traces)
        {
            traces.Add(bytes);
            keptBytes += bytes.Length;
            for (; traces.Count > 1 && keptBytes > KeptTraceBytes; forgotten++)
            {
                keptBytes -= traces[0].Length;
                traces.RemoveAt(0);
            }
        }
    }

    private static void Phase(string phase, long nanoseconds) =>
        Metrics.PhaseDuration.Record(nanoseconds / 1e9, new KeyValuePair<string, object?>("phase", phase));

    private static void Tell(BatchMetrics metrics, string set)
    {
        KeyValuePair<string, object?> label = new("set", set);
        Metrics.Loss.Record(metrics.Loss, label);
        if (metrics.Accuracy is { } accuracy)
            Metrics.Accuracy.Record(accuracy, label);
    }
}
