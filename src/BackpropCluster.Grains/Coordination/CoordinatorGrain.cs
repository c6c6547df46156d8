using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Silos;
using BackpropCluster.Grains.Telemetry;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Coordination;

/// <summary>Host of <see cref="CoordinatorActor"/>: brings it messages, the time and the membership; lets callers
/// watch.</summary>
[KeepAlive, Reentrant]
internal sealed class CoordinatorGrain(
    Exchanges exchanges,
    LocalCoordinators here,
    StoreClient store,
    EligibleSilos members,
    TimeProvider time,
    ILogger<CoordinatorGrain> logger,
    RunCatalog? catalog = null,
    SiloDrain? departure = null
) : YieldingGrain, ICoordinatorGrain
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestWatch = TimeSpan.FromSeconds(1);

    // Time for every client that watches to read the result. One that comes later is served from the last checkpoint.
    private static readonly TimeSpan KeptWhenOver = TimeSpan.FromSeconds(30);

    private CoordinatorActor? state;
    private Action<Message>? receiver;
    private CoordinatorOutbox? outbox;
    private RunTelemetry? telemetry;
    private RunRecord? record;
    private RunStatus entered;
    private Task waking = Task.CompletedTask;
    private TaskCompletionSource news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int announced;
    private int leader;
    private long began;
    private TimeSpan elapsed;
    private long over;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        this.RegisterGrainTimer(
            Tick,
            new GrainTimerCreationOptions(TickInterval, TickInterval) { Interleave = true, KeepAlive = true }
        );
        return base.OnActivateAsync(cancellationToken);
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (receiver is not null)
            here.Remove(this.GetPrimaryKeyString(), receiver);
        return base.OnDeactivateAsync(reason, cancellationToken);
    }

    public async ValueTask<RunPlan> Start(RunPlan plan, int term, TimeSpan deadline, string runFile)
    {
        await BegunOrRefused();
        if (record is { } known && known.Plan.Fingerprint != plan.Fingerprint)
            throw new RunTakenException(plan.Run);
        // A client that lost sight of a run asks again; the run may have gone on all the time. One whose result could
        // not be read any more is led anew, from its last checkpoint.
        if (
            !CoordinatorActor.IsVacant(state)
            && !(
                state.Status is RunStatus.Failed or RunStatus.Interrupted
                || (state.Status.IsOver() && state.Term <= term)
            )
        )
            return record!.Plan;
        if (IsDeparting())
            throw new SiloLeavingException(members.LocalName);
        waking = Begin(new RunRecord(plan, deadline, runFile, RunStatus.Training, null, 0), term, refuse: true);
        await waking;
        return record!.Plan;
    }

    public async ValueTask Wake()
    {
        await BegunOrRefused();
        if (!CoordinatorActor.IsVacant(state) || catalog is null || IsDeparting())
            return;
        if (await catalog.Find(this.GetPrimaryKeyString()) is not { Status: RunStatus.Training } unfinished)
            return;
        if (waking.IsCompleted && CoordinatorActor.IsVacant(state))
            waking = Begin(unfinished, term: 0, refuse: false);
        await waking;
    }

    public async ValueTask<RunProgress?> Watch(int seenSteps, int seenEvaluations, int seenTraces)
    {
        if (state?.Status.IsOver() == false && state.CommittedSteps - (long)seenSteps < RunProgress.MaxMetrics)
            await news
                .Task.WaitAsync(LongestWatch, time)
                .ConfigureAwait(
                    ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing
                );
        return state is null or { Status: RunStatus.HandedOver }
            ? null
            : ProgressSince(state, seenSteps, seenEvaluations, seenTraces);
    }

    public void Take(Message message)
    {
        if (state is null || outbox is null || record is null)
            return;
        Hear(message, record.Plan, state.Term);
        Hand(message, state, outbox);
        telemetry!.FinishTraces(state);
        if (began == 0 && state.Status == RunStatus.Training)
            began = time.GetTimestamp();
        if (state.Status.IsOver())
            Announce(state);
    }

    [SuppressMessage(
        "Design",
        "CA1031",
        Justification = "Nobody awaits a message: whatever is thrown must end the run, or it would hang."
    )]
    private void Hand(Message message, CoordinatorActor to, CoordinatorOutbox answers)
    {
        try
        {
            to.Receive(message, answers);
        }
        catch (Exception e)
        {
            logger.LogError(e, "the coordinator of run {Run} failed at {Key}", this.GetPrimaryKeyString(), message.Key);
            to.Fail(
                new Failure(message.Key, FailureKind.Defect, $"coordinator: {e.GetType().Name}: {e.Message}"),
                answers
            );
        }
    }

    // What a silo has said of its files before is over. Of an earlier term: it is asked again in this one, if it
    // has an actor.
    private void Hear(Message message, RunPlan plan, int term)
    {
        if (
            message is Failure { Silo: { } silo } refusal
            && refusal.Key.Run == plan.Fingerprint
            && refusal.Key.Term == term
        )
            members.Object(silo, plan, refusal.Reason);
    }

    public void Traced(StepSpans spans)
    {
        telemetry?.Tracer.Add(spans);
        if (state is not null)
            telemetry!.FinishTraces(state);
    }

    public ValueTask Interrupt()
    {
        state?.Interrupt();
        return ValueTask.CompletedTask;
    }

    public ValueTask<bool> Leave(string silo)
    {
        if (state is null || outbox is null)
            return new(true);
        state.Leave(silo, outbox);
        var isRid = state.IsRidOf(silo);
        // Over, it only waits for readers, whom the store serves too. On its way out Orleans would look for another
        // silo for it.
        if (silo == members.Local && state.Status.IsOver() && catalog is not null && entered != RunStatus.Training)
            LetGo();
        return new(isRid);
    }

    // A run that is begun on a silo that leaves would be handed over again at once. The next call finds, or makes,
    // another activation.
    private bool IsDeparting()
    {
        if (departure?.HasBegun != true)
            return false;
        DeactivateOnIdle();
        return true;
    }

    // A beginning that failed is no answer to whoever comes later: the files, or the store, may be there by now. Asked
    // again after each wait: of two that waited the first may begin anew.
    private async Task BegunOrRefused()
    {
        while (!waking.IsCompleted)
            await waking.ConfigureAwait(
                ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing
            );
    }

    private async Task Begin(RunRecord run, int term, bool refuse)
    {
        var objections = await members.Check(run.Plan);
        // One that is under way and has lost its coordinator goes on with the silos that can.
        if (
            refuse
            && objections.Count > 0
            && (catalog is null || await catalog.Find(run.Plan.Run) is not { Status: RunStatus.Training })
        )
            throw new SiloRefusedException(string.Join("; ", objections));
        if (catalog is not null)
            await catalog.Enter(run);
        outbox?.Release();
        (record, entered) = (run, RunStatus.Training);
        telemetry = new RunTelemetry(run.Plan, members.LocalName, logger);
        Metrics.Begin();
        ReceiveHere(run.Plan.Run);
        outbox = new CoordinatorOutbox(GrainFactory, run.Plan, members.Local, exchanges, here, store, telemetry);
        // Answers of the store come to the run, whoever of its coordinators asked: each counts its requests from a
        // place of its own.
        leader = HashCode.Combine(GrainContext.ActivationId, time.GetTimestamp()) & 0x3fff_ffff;
        departure?.Leads(run.Plan.Run);
        var next = new CoordinatorActor(run.Plan, term, members.Local, members.Of(run.Plan), run.Deadline, leader);
        next.MembersChanged(members.Of(run.Plan), [.. objections], outbox);
        objections.ForEach(objection => next.Warn(objection, outbox));
        (state, announced, began, elapsed, over) = (next, 0, 0, TimeSpan.Zero, 0);
        // Before anything that can come back: the machine must know the time when it first decides whether a checkpoint
        // is due.
        state.Tick(time.GetElapsedTime(0), outbox);
        state.Start(outbox);
    }

    // On this activation's own scheduler, so that a message from this silo is a turn like any other.
    private void ReceiveHere(string run)
    {
        var turns = TaskScheduler.Current;
        receiver ??= message =>
            Task.Factory.StartNew(
                () => Take(message),
                CancellationToken.None,
                TaskCreationOptions.DenyChildAttach,
                turns
            );
        here.Enter(run, receiver);
    }

    private async Task Tick(CancellationToken cancellation)
    {
        if (state is null || outbox is null || record is null)
            return;
        var objections = members.Objections(record.Plan);
        objections.ForEach(objection => state.Warn($"{objection}; it takes no part", outbox));
        var present = members.Of(record.Plan);
        if (!present.SequenceEqual(state.Silos))
            state.MembersChanged(present, [.. objections], outbox);
        state.Tick(time.GetElapsedTime(0), outbox);
        telemetry!.Tick(state);
        if (state.CommittedSteps > announced || state.Status.IsOver())
            Announce(state);
        if (state.Status == RunStatus.HandedOver)
            Forget();
        if (state?.Status.IsOver() != true)
            return;
        if (entered == RunStatus.Training)
            await EnterEnd(state, record);
        if (over == 0)
            over = time.GetTimestamp();
        else if (catalog is not null && entered != RunStatus.Training && time.GetElapsedTime(over) > KeptWhenOver)
            LetGo();
    }

    // The run belongs to the cluster, and its parameters are in the store: silos need not hold what is over.
    private void LetGo()
    {
        outbox?.Release();
        Forget();
    }

    // What stands of the run on other silos is the next coordinator's.
    private void Forget()
    {
        departure?.LeadsNoMore(this.GetPrimaryKeyString());
        (state, outbox, telemetry, record) = (null, null, null, null);
        DeactivateOnIdle();
    }

    // Once: a run that is over and called running would be led again by every silo that looks.
    private async Task EnterEnd(CoordinatorActor s, RunRecord run)
    {
        entered = s.Status;
        if (catalog is null || s.Failure?.Kind == FailureKind.Fenced)
            return;
        try
        {
            await catalog.Enter(run with { Status = s.Status, Reason = s.Failure?.Reason, Steps = s.CommittedSteps });
        }
        catch (Exception e) when (e is StoreUnreachableException or OrleansException or IOException or TimeoutException)
        {
            logger.LogWarning(e, "the end of run {Run} could not be entered; it is tried again", run.Plan.Run);
            entered = RunStatus.Training;
        }
    }

    private void Announce(CoordinatorActor s)
    {
        announced = s.CommittedSteps;
        if (s.Status.IsOver() && elapsed == TimeSpan.Zero)
            elapsed = Elapsed;
        news.TrySetResult();
        news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private TimeSpan Elapsed =>
        elapsed != TimeSpan.Zero ? elapsed
        : began == 0 ? TimeSpan.Zero
        : time.GetElapsedTime(began);

    private RunProgress ProgressSince(CoordinatorActor s, int seenSteps, int seenEvaluations, int seenTraces)
    {
        // Counted first: one that is written meanwhile is among the new ones then, or still counted, but never neither.
        var pending = telemetry!.PendingTraces;
        var (traces, earlier) = telemetry.TracesSince(seenTraces);
        ImmutableArray<BatchMetrics> losses = [.. s.Losses.Skip(seenSteps).Take(RunProgress.MaxMetrics)];
        // None before the step whose parameters it read: a client writes both down in one order.
        var told = Math.Min(s.Losses.Count, seenSteps + (long)losses.Length);
        ImmutableArray<EvaluationMetrics> evaluations =
        [
            .. s.Evaluations.Skip(seenEvaluations).TakeWhile(e => e.Version <= told).Take(RunProgress.MaxMetrics),
        ];
        return new()
        {
            Status = s.Status,
            Term = s.Term,
            CommittedSteps = s.CommittedSteps,
            Steps = s.Steps,
            Epoch = s.Epoch,
            NewLosses = losses,
            NewEvaluations = evaluations,
            HasMore = told < s.Losses.Count || seenEvaluations + (long)evaluations.Length < s.Evaluations.Count,
            Recoveries = s.Recoveries,
            Moves = s.Moves,
            ReplayedSteps = s.ReplayedSteps,
            StaleMessages = s.StaleMessages,
            Elapsed = Elapsed,
            Failure = s.Failure,
            Paused = s.Paused,
            Leader = leader,
            Placement = s.Placement,
            FirstVersion = Math.Max(s.FirstVersion, 0),
            SavedVersion = s.SavedVersion,
            Warnings = [.. s.Warnings],
            LastRecovery = s.LastRecovery,
            NewTraces = [.. traces],
            EarlierTraces = earlier,
            PendingTraces = pending,
        };
    }
}
