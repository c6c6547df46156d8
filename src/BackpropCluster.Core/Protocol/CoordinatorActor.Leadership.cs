using System.Collections.Immutable;

namespace BackpropCluster.Core.Protocol;

/// <summary>How a coordinator takes the lead, and takes it anew after a fault.</summary>
public sealed partial class CoordinatorActor
{
    private void Recover(RecoveryCause cause, string why, IOutbox outbox)
    {
        if (budget.Spend(cause, now) is { } reason)
        {
            Fail(FailureKind.Lost, $"{reason}; step {Step} is the first that is missing", outbox);
            return;
        }

        (Recoveries, LastRecovery) = (Recoveries + 1, $"at step {Step}, {Status}: {why}");
        outbox.Observe(new RecoveryBegun(KeyOf(Step, Phase.Forward), cause, why, Status));
        AcquireLeadership(outbox);
    }

    // The one path for a start, a resumed run and every fault: whatever was half done belongs to an old term and is
    // dropped by its receivers.
    private void AcquireLeadership(IOutbox outbox)
    {
        (Status, progressed) = (RunStatus.Leading, true);
        Vacate(Silos.IsEmpty ? vacantSince ?? now : null, outbox);
        if (vacantSince is null)
            outbox.Send(Recipients.Store, new AcquireLeadership(KeyOf(++attempt, Phase.Forward), plan));
    }

    // Nobody can be restored; the next silo that can take part is a change of members, and leads on from here.
    private void Wait(TimeSpan since, IOutbox outbox)
    {
        if (interrupting)
            End(RunStatus.Interrupted, outbox);
        else if (handingOver)
            End(RunStatus.HandedOver, outbox);
        else if (now - since > plan.GiveUpAfter)
            Fail(roster.Objections.IsEmpty ? FailureKind.Lost : FailureKind.Data, Vacancy, outbox);
    }

    private void TakeLeadership(LeadershipGranted led, IOutbox outbox)
    {
        // A part of a still higher term has asked for Restore meanwhile, or the last silo that could hold parts is
        // gone.
        if (led.Key.Term <= Term || Silos.IsEmpty)
        {
            AcquireLeadership(outbox);
            return;
        }

        Term = led.Key.Term;
        if (led.Checkpoint is { } checkpoint && scores.Enter(checkpoint) is { } contradiction)
        {
            Fail(FailureKind.Divergence, contradiction, outbox);
            return;
        }

        ImmutableArray<string> leaving = led.Checkpoint?.Leaving ?? [];
        // The own one is asked for by itself: to go, it hands the run over.
        foreach (var silo in leaving.Remove(roster.Own))
            roster.Leave(silo);
        successorKnows = leaving.Contains(roster.Own);
        (version, from) = (led.Checkpoint?.Version ?? 0, led.Id);
        Pause(null, outbox);
        if (FirstVersion < 0)
            FirstVersion = version;
        SavedVersion = version;
        foreach (var warning in led.Warnings)
            Warn(warning, outbox);
        Restore(outbox);
    }

    // An earlier request reached the store late. If after the newest one, the store has left the term behind that this
    // coordinator leads in or will be given: its next checkpoint would be fenced by nobody but itself.
    private void IgnoreStaleGrant(LeadershipGranted late, IOutbox outbox)
    {
        if (late.Key.Term <= Term)
            return;
        Term = late.Key.Term;
        if (Status != RunStatus.Leading)
            Recover(RecoveryCause.Change, "an earlier request to lead came late", outbox);
    }

    private void Restore(IOutbox outbox)
    {
        (Status, report, progressed) = (RunStatus.Restoring, null, true);
        Placement = Placement.Of(plan, roster.Staying, moving ? null : Placement, roster.Own);
        restored = new AckTracker(Placement.SilosThatHold(plan, _ => true));
        ready = new AckTracker(Placement.SilosThatHold(plan, actor => actor.Kind == ActorRole.Shard));
        moving = false;
        if (plan.Trace != TraceSpec.None && Term > 1)
            disturbed = Step;
        outbox.Observe(new RestoreBegun(KeyOf(Step, Phase.Forward), Placement));
        outbox.Send(Recipients.Everyone, new Restore(KeyOf(Step, Phase.Forward), plan, Placement, from));
    }

    private void FinishRestore(IOutbox outbox)
    {
        outbox.Observe(new RestoreDone(KeyOf(Step, Phase.Forward)));
        Proceed(outbox);
    }
}
