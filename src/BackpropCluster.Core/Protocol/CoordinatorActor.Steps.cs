using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <content>From one step boundary to the next: begin, commit, evaluate, save, and what a store that fails does to
/// it.</content>
public sealed partial class CoordinatorActor
{
    private void BeginStep(IOutbox outbox)
    {
        Status = RunStatus.Training;
        ready.Reset();
        report = null;
        outbox.Observe(new StepBegun(KeyOf(Step, Phase.Forward)));
        outbox.Send(Recipients.Everyone, new Advance(KeyOf(Step, Phase.Forward)));
    }

    private void CommitIfComplete(IOutbox outbox)
    {
        if (!ready.IsComplete || report is not { } score)
            return;
        var isReplayed = Step <= scores.Losses.Count;
        if (!isReplayed)
            budget.Renew();
        if (scores.EnterStep(Step, score) is { } contradiction)
        {
            Fail(FailureKind.Divergence, contradiction, outbox);
            return;
        }

        outbox.Observe(new StepCommitted(KeyOf(Step, Phase.Backward), score, isReplayed));
        version = Step;
        if (EvaluationRows.AreDue(plan, order, version))
        {
            (Status, chunk) = (RunStatus.Evaluating, 0);
            outbox.Observe(new EvaluationBegun(KeyOf(version, Phase.Evaluate)));
            outbox.Send(Recipients.Source, new Evaluate(KeyOf(version, Phase.Evaluate)));
        }
        else
            GoOn(outbox);
    }

    private void NextChunk(Report part, IOutbox outbox)
    {
        progressed = true;
        if (++chunk < EvaluationRows.Chunks(plan))
        {
            outbox.Send(Recipients.Source, new Evaluate(KeyOf(version, Phase.Evaluate) with { Microbatch = chunk }));
            return;
        }

        if (scores.EnterEvaluation(new EvaluationMetrics(version, part.Score)) is { } contradiction)
        {
            Fail(FailureKind.Divergence, contradiction, outbox);
            return;
        }

        outbox.Observe(new EvaluationDone(part.Key, part.Score));
        GoOn(outbox);
    }

    /// <summary>The last version of the run: all steps are done, or its target is met.</summary>
    private bool IsLast =>
        version == Steps
        || (plan.Spec.Training.Stop is { } stop && scores.EvaluationOf(version) is { } score && stop.IsMet(score));

    // A step boundary: committed and evaluated.
    private void GoOn(IOutbox outbox)
    {
        if (SaveIsDue)
            Save(outbox);
        else
            Proceed(outbox);
    }

    private bool SaveIsDue =>
        plan.Checkpoints != CheckpointRule.None
        && version > SavedVersion
        && (
            IsLast
            || interrupting
            || handingOver
            || moving
            || plan.Checkpoints.IsDue(version, now - lastSave ?? TimeSpan.Zero)
        );

    // Boundaries end here, and so does a Restore: to a checkpoint of the last version there is nothing to add.
    private void Proceed(IOutbox outbox)
    {
        if (IsLast)
            End(RunStatus.Completed, outbox);
        else if (interrupting)
            End(RunStatus.Interrupted, outbox);
        // After a checkpoint that began before it was asked, one more step: the next leader must know who leaves.
        else if (handingOver && (successorKnows || plan.Checkpoints == CheckpointRule.None))
            End(RunStatus.HandedOver, outbox);
        else if (moving && version == SavedVersion)
        {
            Moves++;
            outbox.Observe(new RebalanceBegun(KeyOf(Step, Phase.Forward)));
            AcquireLeadership(outbox);
        }
        else
            BeginStep(outbox);
    }

    private void Save(IOutbox outbox)
    {
        (Status, lastSave, progressed) = (RunStatus.Saving, now, true);
        saved.Begin();
        outbox.Observe(new SaveBegun(KeyOf(version, Phase.Save)));
        outbox.Send(Recipients.Everyone, new Save(KeyOf(version, Phase.Save)));
    }

    private void CommitCheckpoint(IOutbox outbox)
    {
        if (saved.PartedLayer() is > 0 and var layer)
        {
            var weights = $"the weights between layers {layer - 1} and {layer}";
            Fail(FailureKind.Divergence, $"the two ends of {weights} differ at version {version}", outbox);
            return;
        }

        var checkpoint = scores.Until(version, plan.Granularity, saved.Digests, roster.Leaving);
        successorKnows = handingOver;
        outbox.Send(Recipients.Store, new CommitCheckpoint(KeyOf(version, Phase.Save), checkpoint));
    }

    private void StoreFailed(StoreFailed failed, IOutbox outbox)
    {
        // Not of before a recovery: what was asked for then is not wanted any more, and the new request to lead may be
        // why it was refused.
        var isWanted =
            failed.Key.Phase == Phase.Save
                ? Status == RunStatus.Saving && failed.Key.Step == version
                : Status == RunStatus.Leading && failed.Key.Step == attempt;
        if (!isWanted)
            return;
        if (failed.Fault == StoreFault.Unavailable)
            Pause(StoreRetryState.Noticed(outage, now, failed.Reason), outbox);
        else if (failed.Fault == StoreFault.Fenced)
            Fail(FailureKind.Fenced, failed.Reason, outbox);
        else if (Status == RunStatus.Leading)
            Fail(FailureKind.Store, failed.Reason, outbox);
        else
        {
            Warn($"version {version} could not be saved: {failed.Reason}", outbox);
            outbox.Observe(new SaveFailed(failed.Key, failed.Reason));
            Pause(null, outbox); // it answers again, and a pause would hold back the deadline of the steps that follow
            if (++failedSaves >= MaxFailedSaves)
                Fail(FailureKind.Store, failed.Reason, outbox);
            // The last version and an interrupted one are not given up at the first failure: nothing comes after them.
            else if (IsLast || interrupting || handingOver)
                Save(outbox);
            else
                Proceed(outbox);
        }
    }

    // The same request once more: what was asked before may have been done, and is then only answered.
    private void Retry(StoreRetryState pause, IOutbox outbox)
    {
        if (!pause.IsDue(now))
            return;
        Pause(pause.Asked(now), outbox);
        progressed = true;
        if (pause.IsTooLong(now))
            Fail(FailureKind.Store, pause.Reason, outbox);
        else if (Status == RunStatus.Leading)
            AcquireLeadership(outbox);
        else if (Status == RunStatus.Saving)
            Save(outbox);
        else
            Pause(null, outbox);
    }
}
