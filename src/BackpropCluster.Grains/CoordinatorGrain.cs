using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace BackpropCluster.Grains;

/// <summary>Shell of <see cref="CoordinatorState"/>: brings it messages, the time and the membership; places parts; lets callers watch.</summary>
[KeepAlive, Reentrant]
internal sealed class CoordinatorGrain(PartShells shells, ILocalSiloDetails local, ISiloStatusOracle membership, TimeProvider time) : Grain, ICoordinatorGrain
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestWatch = TimeSpan.FromSeconds(1);

    private CoordinatorState? state;
    private PlacingOutbox? outbox;
    private TaskCompletionSource news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ulong fingerprint;
    private int announced;
    private long began;
    private TimeSpan elapsed;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        this.RegisterGrainTimer(Tick, new GrainTimerCreationOptions(TickInterval, TickInterval) { Interleave = true, KeepAlive = true });
        return Task.CompletedTask;
    }

    public ValueTask Start(RunPlan plan, int term, TimeSpan deadline)
    {
        if (state is not null && plan.Fingerprint != fingerprint) throw new RunTakenException(plan.Run);
        // A client that lost sight of a run asks again; the run may have gone on all the time.
        if (state is not null && state.Term > term && state.Status is not (RunStatus.Failed or RunStatus.Interrupted)) return ValueTask.CompletedTask;
        fingerprint = plan.Fingerprint;
        outbox = new PlacingOutbox(GrainFactory, plan, shells);
        state = new CoordinatorState(plan, term, Members(), deadline);
        (announced, began, elapsed) = (0, 0, TimeSpan.Zero);
        // Before anything that can come back: the machine must know the time when it first decides whether a checkpoint is due.
        state.Tick(time.GetElapsedTime(0), outbox);
        state.Start(outbox);
        return ValueTask.CompletedTask;
    }

    public async ValueTask<RunProgress?> Watch(int seenSteps, int seenEvaluations)
    {
        if (state?.Status.IsOver() == false)
            await news.Task.WaitAsync(LongestWatch, time).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
        return state is null ? null : ProgressSince(state, seenSteps, seenEvaluations);
    }

    public void Restored(Restored message) => Take(message);

    public void Ready(Ready message) => Take(message);

    public void Report(Report message) => Take(message);

    public void NeedRestore(NeedRestore message) => Take(message);

    public void Failed(Failure message) => Take(message);

    public void Stored(Message message) => Take(message);

    public ValueTask Interrupt()
    {
        state?.Interrupt();
        return ValueTask.CompletedTask;
    }

    private void Take(Message message)
    {
        if (state is null || outbox is null) return;
        state.Receive(message, outbox);
        if (began == 0 && state.Status == RunStatus.Training) began = time.GetTimestamp();
        if (state.Status.IsOver()) Announce(state);
    }

    private Task Tick(CancellationToken cancellation)
    {
        if (state is null || outbox is null) return Task.CompletedTask;
        var members = Members();
        if (!members.SequenceEqual(state.Silos)) state.MembersChanged(members, outbox);
        state.Tick(time.GetElapsedTime(0), outbox);
        if (state.CommittedSteps > announced || state.Status.IsOver()) Announce(state);
        return Task.CompletedTask;
    }

    private void Announce(CoordinatorState s)
    {
        announced = s.CommittedSteps;
        if (s.Status.IsOver() && elapsed == TimeSpan.Zero) elapsed = Elapsed;
        news.TrySetResult();
        news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private TimeSpan Elapsed => elapsed != TimeSpan.Zero ? elapsed : began == 0 ? TimeSpan.Zero : time.GetElapsedTime(began);

    private RunProgress ProgressSince(CoordinatorState s, int seenSteps, int seenEvaluations) => new()
    {
        Status = s.Status,
        Term = s.Term,
        CommittedSteps = s.CommittedSteps,
        Steps = s.Steps,
        Epoch = s.Epoch,
        NewLosses = [.. s.Losses.Skip(seenSteps)],
        NewEvaluations = [.. s.Evaluations.Skip(seenEvaluations)],
        Recoveries = s.Recoveries,
        ReplayedSteps = s.ReplayedSteps,
        StaleMessages = s.StaleMessages,
        Elapsed = Elapsed,
        Failure = s.Failure,
        Placement = s.Placement,
        FirstVersion = Math.Max(s.FirstVersion, 0),
        SavedVersion = s.SavedVersion,
        Warnings = [.. s.Warnings],
    };

    // Sorted, so that two looks at an unchanged cluster are equal; this silo first, as the placement wants it.
    private ImmutableArray<string> Members() =>
    [
        local.SiloAddress.ToParsableString(),
        .. membership.GetApproximateSiloStatuses(onlyActive: true).Keys
            .Where(silo => !silo.Equals(local.SiloAddress)).Select(silo => silo.ToParsableString()).Order(StringComparer.Ordinal),
    ];

    /// <summary>Sends Restore to each part with the silo that it shall be activated on; everything else as usual.</summary>
    private sealed class PlacingOutbox(IGrainFactory grains, RunPlan plan, PartShells shells) : IOutbox
    {
        private readonly GrainOutbox outbox = shells.CreateOutbox(plan.Run);

        public void Send(Recipients to, Message message)
        {
            if (message is not Restore restore)
            {
                outbox.Send(to, message);
                return;
            }

            outbox.Route(shells.RoutesOf(restore));
            foreach (var part in plan.Parts) Place(part, restore);
        }

        public void Observe(Observation observation) => outbox.Observe(observation);

        // The hint leaks down the call chain, so it is set for this one call only.
        private void Place(PartId part, Restore restore)
        {
            RequestContext.Set(IPlacementDirector.PlacementHintKey, SiloAddress.FromParsableString(restore.Placement.SiloOf(plan.OrdinalOf(part))));
            switch (part.Kind)
            {
                case PartKind.Source: grains.GetGrain<ISourceGrain>(PartKeys.Source(plan.Run)).Restore(restore); break;
                case PartKind.Loss: grains.GetGrain<ILossGrain>(PartKeys.Loss(plan.Run)).Restore(restore); break;
                default: grains.GetGrain<ISliceGrain>(PartKeys.Slice(plan.Run, plan.SlicesOf(part.Layer)[part.Index])).Restore(restore); break;
            }

            RequestContext.Remove(IPlacementDirector.PlacementHintKey);
        }
    }
}
