using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>Runs the epochs: begins a step, waits until every delta is in, commits, begins the next.</summary>
/// <remarks>Starting a run, resuming and recovering one are the same path: raise the term in the store, restore every
/// part from the newest whole checkpoint, go on. Time comes in as ticks and silos as lists of names, so a simulator can
/// own both.</remarks>
public sealed partial class CoordinatorActor
{
    /// <summary>Checkpoints in a row that could not be written, which end a run: going on would only make the loss
    /// larger.</summary>
    public const int MaxFailedSaves = 3;

    private readonly RunPlan plan;
    private readonly BatchOrder order;
    private readonly RecoveryBudget budget;
    private readonly MetricsHistory scores = new();
    private readonly List<string> warnings = [];
    private readonly Membership roster;
    private AckTracker restored = new([]);
    private AckTracker ready = new([]);
    private readonly SavedShards saved;
    private BatchMetrics? report;
    private int chunk;
    private readonly int firstAttempt;
    private int version;
    private int attempt;
    private int failedSaves; // in a row
    private bool interrupting;
    private bool handingOver;
    private bool successorKnows; // the newest checkpoint says that the own silo leaves
    private bool moving;
    private int disturbed; // the first step after parts were restored anew: a user will want to see it
    private CheckpointId? from;
    private TimeSpan now;
    private TimeSpan? lastSave;
    private bool progressed = true;
    private TimeSpan lastProgress;
    private StoreRetryState? outage;
    private TimeSpan? vacantSince; // when it was first found that no silo can hold parts

    /// <param name="plan">The run.</param>
    /// <param name="term">The highest term known so far; the first Restore carries the next one.</param>
    /// <param name="silo">The coordinator's own silo.</param>
    /// <param name="silos">The silos that may hold parts: the own one first, if it is among them.</param>
    /// <param name="deadline">How long a step may take without any progress before it is recovered.</param>
    /// <param name="attempts">From where it counts its requests to lead: far from where any other coordinator of the
    /// run does. The store answers to the run, and a term that was given to another one is not to be led in.</param>
    public CoordinatorActor(
        RunPlan plan,
        int term,
        string silo,
        ImmutableArray<string> silos,
        TimeSpan deadline,
        int attempts = 0
    )
    {
        (this.plan, Term, attempt, firstAttempt) = (plan, term, attempts, attempts);
        (roster, budget) = (new Membership(silo, silos), new RecoveryBudget(deadline, plan.GiveUpAfter));
        order = new BatchOrder(plan.Spec.Data, plan.Spec.Training.Epochs, plan.Spec.Seed, plan.TrainingRows);
        saved = new SavedShards(plan);
    }

    public RunStatus Status { get; private set; } = RunStatus.Leading;
    public int Term { get; private set; }
    public ImmutableArray<string> Silos => roster.Silos;
    public Placement? Placement { get; private set; }

    /// <summary>Updates committed, by any term of this coordinator.</summary>
    public int CommittedSteps => scores.Losses.Count;

    /// <summary>The step at work, from 1.</summary>
    public int Step => version + 1;

    /// <summary>Whether the loss of the step at work is known.</summary>
    public bool IsReported => report is not null;

    public int Steps => order.Steps;
    public int Epoch => order.EpochOf(IsOver ? Math.Max(version, 1) : Math.Min(Step, Steps));
    public IReadOnlyList<BatchMetrics> Losses => scores.Losses;
    public IReadOnlyList<EvaluationMetrics> Evaluations => scores.Evaluations;
    public int Recoveries { get; private set; }

    /// <summary>Why it recovered last, if it did.</summary>
    public string? LastRecovery { get; private set; }

    /// <summary>Times that parts were moved at a step boundary because silos came or left. No step is computed again
    /// for it.</summary>
    public int Moves { get; private set; }
    public int ReplayedSteps => scores.Replayed;

    /// <summary>The version that this coordinator began with: 0, or that of a checkpoint.</summary>
    public int FirstVersion { get; private set; } = -1;

    /// <summary>The newest version that a whole checkpoint holds; 0 if none does.</summary>
    public int SavedVersion { get; private set; }

    /// <summary>What a user should know: checkpoints that are broken, or could not be written.</summary>
    public IReadOnlyList<string> Warnings => warnings;

    /// <summary>Why the run pauses, if it does; why it failed, if it did.</summary>
    public string? Paused => outage?.ToString() ?? (vacantSince is null ? null : Vacancy);
    public Failure? Failure { get; private set; }

    /// <summary>Messages dropped because their term or step was over.</summary>
    public long StaleMessages { get; private set; }

    /// <summary>Whether whoever starts or wakes a run is to lead it: nobody does here, or who did has handed it
    /// over.</summary>
    public static bool IsVacant([NotNullWhen(false)] CoordinatorActor? state) =>
        state is null or { Status: RunStatus.HandedOver };

    private bool IsOver => Status.IsOver() || Status == RunStatus.HandedOver;

    /// <summary>Takes the lead: the store is asked for a term.</summary>
    public void Start(IOutbox outbox) => AcquireLeadership(outbox);

    /// <summary>Ends the run at the next step boundary, after a checkpoint.</summary>
    public void Interrupt() => interrupting = true;

    /// <summary>Takes one message and puts everything that follows from it into the outbox.</summary>
    public void Receive(Message message, IOutbox outbox)
    {
        if (IsOver)
            return;
        // A part of a higher term would drop a Restore of this one in silence, so what it asks for must come in a
        // higher one still.
        if (message is NeedRestore && message.Key.Run == plan.Fingerprint && message.Key.Term > Term)
        {
            Term = message.Key.Term;
            Recover(RecoveryCause.Asked, $"{message.Key.From} of term {Term} asked for it", outbox);
            return;
        }

        // Before the terms are compared: the answer brings a new one. Its step is the attempt; another coordinator's is
        // not its business.
        if (
            message is LeadershipGranted led
            && led.Key.Run == plan.Fingerprint
            && led.Key.Step > firstAttempt
            && led.Key.Step <= attempt
        )
        {
            if (Status == RunStatus.Leading && led.Key.Step == attempt)
                TakeLeadership(led, outbox);
            else
                IgnoreStaleGrant(led, outbox);
            return;
        }

        // Of an earlier term: its work was forgotten. Of a later one: it answers another leader, and counted here it
        // would commit a step that this term's shards never computed.
        if (message.Key.Run != plan.Fingerprint || message.Key.Term != Term)
        {
            StaleMessages++;
            outbox.Observe(new StaleMessageDropped(message.Key));
            return;
        }

        Handle(message, outbox);
    }

    // One of this run and term.
    private void Handle(Message message, IOutbox outbox)
    {
        switch (message)
        {
            case Restored when Status == RunStatus.Restoring && Acknowledge(restored, message.Key.From):
                if (restored.IsComplete)
                    FinishRestore(outbox);
                break;
            case Ready
                when Status == RunStatus.Training && message.Key.Step == Step && Acknowledge(ready, message.Key.From):
                CommitIfComplete(outbox);
                break;
            case Report { Key.Phase: Phase.Evaluate } r
                when Status == RunStatus.Evaluating && r.Key.Step == version && r.Key.Microbatch == chunk:
                NextChunk(r, outbox);
                break;
            case Saved parts when Status == RunStatus.Saving && parts.Key.Step == version && saved.Enter(parts):
                progressed = true;
                if (saved.AreComplete)
                    CommitCheckpoint(outbox);
                break;
            case CheckpointCommitted when Status == RunStatus.Saving && message.Key.Step == version:
                (SavedVersion, failedSaves, progressed) = (version, 0, true);
                outbox.Observe(new CheckpointSaved(message.Key));
                Pause(null, outbox);
                Proceed(outbox);
                break;
            case StoreFailed failed:
                StoreFailed(failed, outbox);
                break;
            case Report { Key.Phase: Phase.Forward } r
                when Status == RunStatus.Training && r.Key.Step == Step && report is null:
                (report, progressed) = (r.Score, true);
                outbox.Observe(new LossReported(r.Key, r.Score));
                CommitIfComplete(outbox);
                break;
            case NeedRestore when Status is not (RunStatus.Restoring or RunStatus.Leading):
                Recover(RecoveryCause.Asked, $"{message.Key.From} asked for it", outbox);
                break;
            case Failure { Silo: { } silo } refusal:
                GoOnWithout(silo, refusal, outbox);
                break;
            case Failure failure:
                Fail(failure, outbox);
                break;
        }
    }

    /// <summary>The time now, on any clock that does not run backward. Without progress for the deadline, the step is
    /// recovered.</summary>
    public void Tick(TimeSpan time, IOutbox outbox)
    {
        if (IsOver)
            return;
        now = time;
        lastSave ??= time;
        if (vacantSince is { } since)
            Wait(since, outbox);
        else if (outage is { } pause)
            Retry(pause, outbox);
        else if (progressed)
            (lastProgress, progressed) = (now, false);
        else if (now - lastProgress >= budget.Deadline)
            Recover(RecoveryCause.Deadline, Silence, outbox);
    }

    /// <summary>The silos that can take part now, this coordinator's own first if it can. If one that holds a part
    /// cannot any more, its shards are lost and the run recovers; a new one takes its share at the next step
    /// boundary.</summary>
    /// <param name="silos">Their names.</param>
    /// <param name="objections">What keeps the other members from taking part, one sentence each.</param>
    /// <param name="outbox">Where to speak.</param>
    public void MembersChanged(ImmutableArray<string> silos, ImmutableArray<string> objections, IOutbox outbox)
    {
        roster.Set(silos, objections);
        if (IsOver)
            return;
        if (vacantSince is not null)
            AcquireLeadership(outbox);
        else if (Placement is not { } placement)
            return;
        else if (roster.LostOf(placement) is { Length: > 0 } lost)
            Recover(RecoveryCause.Change, $"{string.Join(", ", lost)} lost", outbox);
        else if (roster.HasNew(placement))
            moving = plan.Checkpoints != CheckpointRule.None;
    }

    /// <summary>A silo asks to be rid of its parts. They move at the next step boundary, after a checkpoint of that
    /// very step.</summary>
    /// <remarks>The coordinator's own silo is known by its name: it holds no part where it lacks the data, and then
    /// stands in no list.</remarks>
    public void Leave(string silo, IOutbox outbox)
    {
        if (!roster.Leave(silo) || IsOver)
            return;
        if (silo == roster.Own)
            handingOver = true;
        else if (Placement?.Uses(silo) == false)
            return;
        // Nothing is ever saved: the silo's parts are as lost as if it had died.
        else if (plan.Checkpoints == CheckpointRule.None)
            Recover(RecoveryCause.Change, $"{silo} leaves", outbox);
        else
            moving = true;
    }

    /// <summary>Whether a silo that is leaving may go: nothing of this run stands there any more.</summary>
    public bool IsRidOf(string silo) => IsOver || (roster.IsLeaving(silo) && silo != roster.Own && !StandsOn(silo));

    /// <summary>Tells the user something that the run goes on in spite of; once.</summary>
    public void Warn(string warning, IOutbox outbox)
    {
        if (warnings.Contains(warning))
            return;
        warnings.Add(warning);
        outbox.Observe(new RunWarned(KeyOf(Step, Phase.Forward), warning));
    }

    /// <summary>Ends the run: a part, or the shell round one, cannot go on.</summary>
    public void Fail(Failure failure, IOutbox outbox)
    {
        Failure = failure;
        End(RunStatus.Failed, outbox);
    }

    // A silo that cannot bring the rows that the run began with is none that it can use; another may have them. If none
    // has, that is the end.
    private void GoOnWithout(string silo, Failure refusal, IOutbox outbox)
    {
        roster.Refuse(silo, refusal.Reason);
        Warn($"{refusal.Reason}; it takes no part", outbox);
        if (Silos.IsEmpty)
            Fail(refusal, outbox);
        else
            Recover(RecoveryCause.Change, refusal.Reason, outbox);
    }

    private string Silence =>
        string.Create(CultureInfo.InvariantCulture, $"nothing was heard for {budget.Deadline.TotalSeconds:0.#} s");

    private string Vacancy =>
        $"no silo of the cluster can hold its "
        + $"parts{(roster.Objections.IsEmpty ? "" : $" ({string.Join("; ", roster.Objections)})")}";

    // Where nobody can hold a part, none does, and nobody is on its way to get one.
    private bool StandsOn(string silo) =>
        vacantSince is null
        && (
            Status is RunStatus.Leading or RunStatus.Restoring || Placement is not { } placement || placement.Uses(silo)
        );

    // The store does not answer, or does again.
    private void Pause(StoreRetryState? next, IOutbox outbox)
    {
        var before = Paused;
        outage = next;
        TellPause(before, outbox);
    }

    // No silo can hold parts, or one can again.
    private void Vacate(TimeSpan? since, IOutbox outbox)
    {
        var before = Paused;
        vacantSince = since;
        TellPause(before, outbox);
    }

    private void TellPause(string? before, IOutbox outbox)
    {
        if (before is null && Paused is { } reason)
            outbox.Observe(new RunPaused(KeyOf(Step, Phase.Forward), reason));
        if (before is not null && Paused is null)
            outbox.Observe(new RunResumed(KeyOf(Step, Phase.Forward)));
    }

    private void End(RunStatus status, IOutbox outbox)
    {
        Status = status;
        outbox.Observe(new RunEnded(KeyOf(Step, Phase.Forward), status, Failure));
    }

    private void Fail(FailureKind kind, string reason, IOutbox outbox) =>
        Fail(new Failure(KeyOf(Step, Phase.Forward), kind, reason), outbox);

    private bool Acknowledge(AckTracker call, ActorId from)
    {
        var news = from.Kind == ActorRole.Exchange && call.Acknowledge(from.Index);
        progressed |= news;
        return news;
    }

    private MessageKey KeyOf(int step, Phase phase) =>
        new(
            plan.Fingerprint,
            Term,
            step,
            phase,
            0,
            ActorId.Coordinator,
            plan.Trace.Samples(step) || step == disturbed ? TraceContext.Sampled : default
        );
}
