using System.Buffers;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Sees a run's coordinator change, and tells it as metrics, as log lines and as spans.</summary>
internal sealed class RunTelemetry(RunPlan plan, string silo, ILogger logger)
{
    // What nobody fetches is forgotten, the oldest first: a run may go on for days without a client.
    private const int KeptTraceBytes = 16 << 20;
    private static readonly long TellEvery = (long)TimeSpan.FromMilliseconds(100).TotalNanoseconds;
    private readonly StepTracer tracer = new(plan, () => TraceClock.Now);
    private readonly List<byte[]> traces = [];

    // For one trace after the other: a buffer that grew anew for each would be large garbage, and what collects that stops all threads.
    private readonly ArrayBufferWriter<byte> lines = new();
    private int forgotten;
    private long keptBytes;
    private RunStatus status = RunStatus.Leading;
    private long since = TraceClock.Now;
    private long stepBegan = TraceClock.Now;
    private int step = 1;
    private bool reported;
    private bool paused;
    private long reportedAt;
    private int recoveries, moves, replayed, evaluations, saved, failedSaves, warnings;
    private long stale;
    private bool led;

    // Of steps that are not told yet: nobody collects ten times a second, and a small model's step is as long as a hundred measurements.
    private long steps, rows, toldAt;
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

    /// <summary>Called after each message and tick.</summary>
    public void Saw(CoordinatorActor state)
    {
        var now = TraceClock.Now;
        if (state.IsReported && !reported)
        {
            Phase("forward", now - stepBegan);
            reportedAt = now;
        }

        if (state.Step != step) Committed(state, now);
        reported = state.IsReported;
        if (state.Status != status) Changed(state, now);
        if (latest is not null && (now - toldAt > TellEvery || state.Status != RunStatus.Training)) TellSteps(now);
        Count(state);
        tracer.Finish(state, Keep);
    }

    private void Committed(CoordinatorActor state, long now)
    {
        // After a recovery the step is an earlier one: nothing was committed then.
        if (state.Step == step + 1)
        {
            var score = state.Losses[step - 1];
            Metrics.StepDuration.Record((now - stepBegan) / 1e9);
            if (reported) Phase("backward", now - reportedAt);
            (steps, rows, latest) = (steps + 1, rows + score.Rows, score);
        }

        (step, stepBegan) = (state.Step, now);
    }

    private void TellSteps(long now)
    {
        Metrics.Steps.Add(steps);
        Metrics.Rows.Add(rows);
        Metrics.Loss.Record(latest!.Value.Loss, Set("train"));
        if (latest.Value.Accuracy is { } accuracy) Metrics.Accuracy.Record(accuracy, Set("train"));
        (steps, rows, latest, toldAt) = (0, 0, null, now);
    }

    private void Changed(CoordinatorActor state, long now)
    {
        var (before, began) = (status, since);
        (status, since) = (state.Status, now);
        switch (before)
        {
            case RunStatus.Leading when state.Status == RunStatus.Restoring:
                if (!led && state.Term > 1)
                {
                    Metrics.Takeovers.Add(1);
                    tracer.Before("take over", began);
                }

                led = true;
                logger.LogInformation("run {Run} is led here in term {Term}, from step {Step} on {Silos} silos", plan.Run, state.Term, state.Step - 1, state.Placement!.Silos.Length);
                break;
            case RunStatus.Evaluating:
                Phase("evaluate", now - began);
                tracer.After(step - 1, "evaluate", began, now);
                break;
            case RunStatus.Saving:
                Phase("save", now - began);
                tracer.After(step - 1, "save checkpoint", began, now);
                break;
            case RunStatus.Restoring:
                Phase("restore", now - began);
                break;
        }

        if (state.Status == RunStatus.Training) stepBegan = now;
        if (state.Status.IsOver()) logger.LogInformation("run {Run} is {Status} after {Steps} steps{Reason}", plan.Run, state.Status, state.CommittedSteps, state.Failure is { } failure ? $": {failure.Reason}" : "");
        if (state.Status == RunStatus.HandedOver) logger.LogInformation("run {Run} is handed over at step {Step}: this silo leaves", plan.Run, state.CommittedSteps);
    }

    private void Count(CoordinatorActor state)
    {
        if (state.Recoveries > recoveries)
        {
            logger.LogWarning("run {Run} recovers from step {Step}, in a term above {Term}", plan.Run, state.Step, state.Term);
            tracer.Before("recover", TraceClock.Now);
        }

        if (state.SavedVersion > saved) logger.LogInformation("run {Run} is saved at step {Step}", plan.Run, state.SavedVersion);
        if (state.Moves > moves)
        {
            logger.LogInformation("run {Run} moves its parts at step {Step}: silos came or left", plan.Run, state.CommittedSteps);
            tracer.Before("change placement", TraceClock.Now);
        }

        Grown(Metrics.Recoveries, state.Recoveries, ref recoveries);
        Grown(Metrics.Moves, state.Moves, ref moves);
        Grown(Metrics.ReplayedSteps, state.ReplayedSteps, ref replayed);
        if (state.SavedVersion > saved) Metrics.Checkpoints.Add(1, Metrics.Written);
        saved = Math.Max(saved, state.SavedVersion);
        for (; warnings < state.Warnings.Count; warnings++)
            logger.LogWarning("run {Run}: {Warning}", plan.Run, state.Warnings[warnings]);
        if (state.FailedSaves > failedSaves) Metrics.Checkpoints.Add(state.FailedSaves - failedSaves, Metrics.Failed);
        failedSaves = state.FailedSaves;

        if (state.Paused is not null && !paused) logger.LogWarning("run {Run} pauses at step {Step}: {Reason}", plan.Run, state.CommittedSteps, state.Paused);
        if (state.Paused is null && paused) logger.LogInformation("run {Run} goes on at step {Step}", plan.Run, state.CommittedSteps);
        paused = state.Paused is not null;
        if (state.StaleMessages > stale) Metrics.StaleMessages.Add(state.StaleMessages - stale);
        stale = state.StaleMessages;
        for (; evaluations < state.Evaluations.Count; evaluations++)
        {
            var score = state.Evaluations[evaluations].Score;
            Metrics.Loss.Record(score.Loss, Set("test"));
            if (score.Accuracy is { } accuracy) Metrics.Accuracy.Record(accuracy, Set("test"));
        }
    }

    private void Keep(IReadOnlyList<TraceSpan> spans)
    {
        // A line for each silo; root and phases are told by the coordinator's.
        lines.ResetWrittenCount();
        foreach (var ofSilo in spans.GroupBy(s => s.Find(TraceWords.Silo)?.Text ?? silo)) OtlpJson.WriteLine(lines, ofSilo, TraceResource.OfSilo(ofSilo.Key));
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

    private static void Grown(System.Diagnostics.Metrics.Counter<long> counter, int now, ref int before)
    {
        if (now > before) counter.Add(now - before);
        before = now;
    }

    private static void Phase(string phase, long nanoseconds) => Metrics.PhaseDuration.Record(nanoseconds / 1e9, new KeyValuePair<string, object?>("phase", phase));

    private static KeyValuePair<string, object?> Set(string set) => new("set", set);
}
