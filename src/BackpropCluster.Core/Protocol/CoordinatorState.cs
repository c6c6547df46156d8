using System.Collections.Immutable;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>Where a run stands. A run is always in one of these; nothing hangs unsaid.</summary>
public enum RunStatus : byte
{
    /// <summary>The store is asked for a new term and the newest whole checkpoint.</summary>
    Leading,

    /// <summary>Restore is out; the step begins when every part has answered.</summary>
    Restoring,
    Training,
    Evaluating,

    /// <summary>Slices put the committed version into the store.</summary>
    Saving,
    Completed,

    /// <summary>Ended by request at a step boundary, saved if the run saves at all.</summary>
    Interrupted,
    Failed,
}

/// <summary>Questions about a status.</summary>
public static class RunStatusExtensions
{
    /// <summary>Whether nothing more will happen.</summary>
    public static bool IsOver(this RunStatus status) => status is RunStatus.Completed or RunStatus.Interrupted or RunStatus.Failed;
}

/// <summary>Runs the epochs: begins a step, waits until every delta is in, commits, begins the next.</summary>
/// <remarks>Starting a run, resuming and recovering one are the same path: raise the term in the store, restore every part from the
/// newest whole checkpoint, go on. Time comes in as ticks and silos as lists of names, so a simulator can own both.</remarks>
public sealed class CoordinatorState
{
    /// <summary>Recoveries in a row without a new committed step that end a run.</summary>
    public const int MaxFruitlessRecoveries = 5;

    /// <summary>Checkpoints in a row that could not be written, which end a run: going on would only make the loss larger.</summary>
    public const int MaxFailedSaves = 3;

    private readonly RunPlan plan;
    private readonly BatchOrder order;
    private readonly TimeSpan deadline;
    private readonly ScoreBook scores = new();
    private readonly Saved[] saved;
    private readonly List<string> warnings = [];
    private readonly bool[] answered;
    private int missing;
    private Score? report;
    private int chunk;
    private int version;
    private int attempt;
    private int fruitless;
    private int failedSaves;
    private bool interrupting;
    private CheckpointId? from;
    private TimeSpan now;
    private TimeSpan? lastSave;
    private bool progressed = true;
    private TimeSpan lastProgress;

    /// <param name="plan">The run.</param>
    /// <param name="term">The highest term known so far; the first Restore carries the next one.</param>
    /// <param name="silos">Names of the silos that may hold parts.</param>
    /// <param name="deadline">How long a step may take without any progress before it is recovered.</param>
    public CoordinatorState(RunPlan plan, int term, ImmutableArray<string> silos, TimeSpan deadline)
    {
        (this.plan, Term, Silos, this.deadline) = (plan, term, silos, deadline);
        order = new BatchOrder(plan.Spec.Data, plan.Spec.Training.Epochs, plan.Spec.Seed, plan.TrainingRows);
        answered = new bool[plan.PartCount];
        saved = new Saved[plan.SliceCount];
    }

    public RunStatus Status { get; private set; } = RunStatus.Leading;
    public int Term { get; private set; }
    public ImmutableArray<string> Silos { get; private set; }
    public Placement? Placement { get; private set; }

    /// <summary>Updates committed, by any term of this coordinator.</summary>
    public int CommittedSteps => scores.Losses.Count;

    /// <summary>The step at work, from 1.</summary>
    public int Step => version + 1;

    public int Steps => order.Steps;
    public int Epoch => order.EpochOf(IsOver ? Math.Max(version, 1) : Math.Min(Step, Steps));
    public IReadOnlyList<Score> Losses => scores.Losses;
    public IReadOnlyList<EvaluationScore> Evaluations => scores.Evaluations;
    public int Recoveries { get; private set; }
    public int ReplayedSteps => scores.Replayed;

    /// <summary>The version that this coordinator began with: 0, or that of a checkpoint.</summary>
    public int FirstVersion { get; private set; } = -1;

    /// <summary>The newest version that a whole checkpoint holds; 0 if none does.</summary>
    public int SavedVersion { get; private set; }

    /// <summary>What a user should know: checkpoints that are broken, or could not be written.</summary>
    public IReadOnlyList<string> Warnings => warnings;

    /// <summary>Messages dropped because their term or step was over.</summary>
    public long StaleMessages { get; private set; }

    /// <summary>Why the run failed.</summary>
    public Failure? Failure { get; private set; }

    private bool IsOver => Status.IsOver();

    /// <summary>Takes the lead: the store is asked for a term.</summary>
    public void Start(IOutbox outbox) => Lead(outbox);

    /// <summary>Ends the run at the next step boundary, after a checkpoint.</summary>
    public void Interrupt() => interrupting = true;

    /// <summary>Takes one message and puts everything that follows from it into the outbox.</summary>
    public void Receive(Message message, IOutbox outbox)
    {
        if (IsOver) return;
        // A part of a higher term would drop a Restore of this one in silence, so what it asks for must come in a higher one still.
        if (message is NeedRestore && message.Key.Run == plan.Fingerprint && message.Key.Term > Term)
        {
            Term = message.Key.Term;
            Recover(outbox);
            return;
        }

        // Before the terms are compared: the answer brings a new one. Its step is the attempt; an earlier one's answer names a term
        // that the store has left behind.
        if (Status == RunStatus.Leading && message is Led led && led.Key.Run == plan.Fingerprint && led.Key.Step == attempt)
        {
            TakeLead(led, outbox);
            return;
        }

        // Of an earlier term: its work was forgotten. Of a later one: it answers another leader, and counted here it would commit a
        // step that this term's slices never computed.
        if (message.Key.Run != plan.Fingerprint || message.Key.Term != Term)
        {
            StaleMessages++;
            return;
        }

        switch (message)
        {
            case Restored when Status == RunStatus.Restoring:
                if (Tick(message.Key.From) && missing == 0) Proceed(outbox);
                break;
            case Ready when IsCurrentStep(message.Key):
                if (Tick(message.Key.From)) CommitIfComplete(outbox);
                break;
            case Report { Key.Phase: Phase.Evaluate } r when Status == RunStatus.Evaluating && r.Key.Step == version && r.Key.Microbatch == chunk:
                NextChunk(r, outbox);
                break;
            case Saved part when Status == RunStatus.Saving && part.Key.Step == version:
                TakeSaved(part, outbox);
                break;
            case HeadMoved when Status == RunStatus.Saving && message.Key.Step == version:
                (SavedVersion, failedSaves, progressed) = (version, 0, true);
                Proceed(outbox);
                break;
            case StoreFailed failed:
                StoreFailed(failed, outbox);
                break;
            case Report { Key.Phase: Phase.Forward } r when IsCurrentStep(r.Key) && report is null:
                (report, progressed) = (r.Score, true);
                CommitIfComplete(outbox);
                break;
            case NeedRestore when Status is not (RunStatus.Restoring or RunStatus.Leading):
                Recover(outbox);
                break;
            case Failure failure:
                Fail(failure);
                break;
        }
    }

    /// <summary>The time now, on any clock that does not run backward. Without progress for the deadline, the step is recovered.</summary>
    public void Tick(TimeSpan time, IOutbox outbox)
    {
        if (IsOver) return;
        now = time;
        lastSave ??= time;
        if (progressed) (lastProgress, progressed) = (now, false);
        else if (now - lastProgress >= deadline) Recover(outbox);
    }

    /// <summary>The silos that are members now. If one that holds a part is gone, its slices are lost and the run recovers.</summary>
    public void MembersChanged(ImmutableArray<string> silos, IOutbox outbox)
    {
        var lost = Placement is { } p && p.SiloOfPart.Any(s => !silos.Contains(p.Silos[s]));
        Silos = silos;
        if (lost && !IsOver) Recover(outbox);
    }

    /// <summary>Ends the run: a part, or the shell round one, cannot go on.</summary>
    public void Fail(Failure failure) => (Status, Failure) = (RunStatus.Failed, failure);

    private void Recover(IOutbox outbox)
    {
        // Nobody is left to restore; the next member that appears is a change, and leads here again.
        if (Silos.IsEmpty) return;
        if (++fruitless > MaxFruitlessRecoveries)
        {
            Fail(new Failure(KeyOf(Step, Phase.Forward), FailureKind.Lost, $"{MaxFruitlessRecoveries} recoveries in a row committed no new step; step {Step} is the first that is missing"));
            return;
        }

        Recoveries++;
        Lead(outbox);
    }

    // The one path for a start, a resumed run and every fault: whatever was half done belongs to an old term and is dropped by its receivers.
    private void Lead(IOutbox outbox)
    {
        (Status, progressed) = (RunStatus.Leading, true);
        outbox.Send(Recipients.Store, new Lead(KeyOf(++attempt, Phase.Forward), plan));
    }

    private void TakeLead(Led led, IOutbox outbox)
    {
        // A part of a still higher term has asked for Restore meanwhile.
        if (led.Key.Term <= Term)
        {
            Lead(outbox);
            return;
        }

        Term = led.Key.Term;
        if (led.Checkpoint is { } checkpoint && scores.Enter(checkpoint) is { } contradiction)
        {
            Diverged(contradiction);
            return;
        }

        (version, from) = (led.Checkpoint?.Version ?? 0, led.Id);
        if (FirstVersion < 0) FirstVersion = version;
        SavedVersion = version;
        warnings.AddRange(led.Warnings.Except(warnings));
        Restore(outbox);
    }

    private void Restore(IOutbox outbox)
    {
        (Status, report, progressed) = (RunStatus.Restoring, null, true);
        Expect(plan.PartCount);
        Placement = Placement.Spread(plan, Silos, Placement);
        outbox.Send(Recipients.Everyone, new Restore(KeyOf(Step, Phase.Forward), plan, Placement, from));
    }

    private void BeginStep(IOutbox outbox)
    {
        Status = RunStatus.Training;
        Expect(plan.SliceCount);
        report = null;
        outbox.Send(Recipients.Everyone, new Advance(KeyOf(Step, Phase.Forward)));
    }

    private void CommitIfComplete(IOutbox outbox)
    {
        if (missing > 0 || report is not { } score) return;
        if (Step > scores.Losses.Count) fruitless = 0;
        if (scores.EnterStep(Step, score) is { } contradiction)
        {
            Diverged(contradiction);
            return;
        }

        Invariants.VersionGrowsByOne(version, Step);
        version = Step;
        if (EvaluatesNow())
        {
            (Status, chunk) = (RunStatus.Evaluating, 0);
            outbox.Send(Recipients.Source, new Evaluate(KeyOf(version, Phase.Evaluate)));
        }
        else GoOn(outbox);
    }

    private bool EvaluatesNow() =>
        EvaluationRows.Count(plan) > 0
        && (plan.Spec.Training.Evaluation == Evaluation.TestRowsEachEpoch ? order.EndsEpoch(version) : version == Steps);

    private void NextChunk(Report part, IOutbox outbox)
    {
        progressed = true;
        if (++chunk < EvaluationRows.Chunks(plan))
        {
            outbox.Send(Recipients.Source, new Evaluate(KeyOf(version, Phase.Evaluate) with { Microbatch = chunk }));
            return;
        }

        if (scores.EnterEvaluation(new EvaluationScore(version, part.Score)) is { } contradiction) Diverged(contradiction);
        else GoOn(outbox);
    }

    /// <summary>The last version of the run: all steps are done, or its target is met.</summary>
    private bool IsLast => version == Steps || (plan.Spec.Training.Stop is { } stop && scores.Evaluations.Any(e => e.Version == version && stop.IsMet(e.Score)));

    // A step boundary: committed and evaluated.
    private void GoOn(IOutbox outbox)
    {
        if (SaveIsDue) Save(outbox);
        else Proceed(outbox);
    }

    private bool SaveIsDue =>
        plan.Checkpoints != CheckpointRule.None && version > SavedVersion && (IsLast || interrupting || plan.Checkpoints.IsDue(version, now - lastSave ?? TimeSpan.Zero));

    // Boundaries end here, and so does a Restore: to a checkpoint of the last version there is nothing to add.
    private void Proceed(IOutbox outbox)
    {
        if (IsLast) Status = RunStatus.Completed;
        else if (interrupting) Status = RunStatus.Interrupted;
        else BeginStep(outbox);
    }

    private void Save(IOutbox outbox)
    {
        (Status, lastSave, progressed) = (RunStatus.Saving, now, true);
        Expect(plan.SliceCount);
        for (var layer = 1; layer <= plan.Depth; layer++) outbox.Send(Recipients.SlicesOf(layer), new Save(KeyOf(version, Phase.Save)));
    }

    private void TakeSaved(Saved part, IOutbox outbox)
    {
        if (!Tick(part.Key.From)) return;
        saved[plan.OrdinalOf(part.Key.From) - 1] = part;
        if (missing > 0) return;
        if (PartedLayer() is { } layer) Diverged($"the two ends of the weights between layers {layer - 1} and {layer} differ at version {version}");
        else outbox.Send(Recipients.Store, new MoveHead(KeyOf(version, Phase.Save), scores.Until(version, plan.Granularity, [.. saved.Select(s => s.Sha256)])));
    }

    /// <summary>The first layer whose weights differ from what the layer below holds of them.</summary>
    private int? PartedLayer()
    {
        var ends = saved.GroupBy(s => s.Key.From.Layer).ToDictionary(g => g.Key, g => g.ToArray());
        for (var layer = 2; layer <= plan.Depth; layer++)
            if (ends[layer].Aggregate(0UL, (sum, s) => sum + s.WeightsSum) != ends[layer - 1].Aggregate(0UL, (sum, s) => sum + s.OutgoingSum))
                return layer;
        return null;
    }

    private void StoreFailed(StoreFailed failed, IOutbox outbox)
    {
        if (failed.IsFenced) Fail(new Failure(failed.Key, FailureKind.Fenced, failed.Reason));
        else if (Status == RunStatus.Leading) Fail(new Failure(failed.Key, FailureKind.Store, failed.Reason));
        else if (Status == RunStatus.Saving && failed.Key.Step == version)
        {
            warnings.Add($"version {version} could not be saved: {failed.Reason}");
            if (++failedSaves >= MaxFailedSaves) Fail(new Failure(failed.Key, FailureKind.Store, failed.Reason));
            // The last version and an interrupted one are not given up at the first failure: nothing comes after them.
            else if (IsLast || interrupting) Save(outbox);
            else Proceed(outbox);
        }
    }

    private void Diverged(string contradiction) => Fail(new Failure(KeyOf(Step, Phase.Forward), FailureKind.Divergence, contradiction));


    private bool IsCurrentStep(MessageKey key) => Status == RunStatus.Training && key.Step == Step;

    private void Expect(int parts)
    {
        Array.Clear(answered);
        missing = parts;
    }

    /// <summary>Ticks off one answer; false if it was known.</summary>
    private bool Tick(PartId from)
    {
        var ordinal = plan.OrdinalOf(from);
        if (ordinal < 0 || answered[ordinal]) return false;
        answered[ordinal] = true;
        missing--;
        return progressed = true;
    }

    private MessageKey KeyOf(int step, Phase phase) =>
        new(plan.Fingerprint, Term, step, phase, 0, PartId.Coordinator, plan.Spec.Trace.Samples(step) ? TraceOf(step) : default);

    // Ids by address, like all randomness: a trace has the same id wherever the step is computed.
    private TraceContext TraceOf(int step)
    {
        var random = new AddressedRandom(plan.Fingerprint, RandomPurpose.Trace, (uint)Term);
        return new TraceContext(random.Bits(3UL * (ulong)step), random.Bits(3UL * (ulong)step + 1), random.Bits(3UL * (ulong)step + 2) | 1);
    }
}
