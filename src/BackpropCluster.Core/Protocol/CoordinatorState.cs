using System.Collections.Immutable;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Protocol;

/// <summary>Where a run stands. A run is always in one of these; nothing hangs unsaid.</summary>
public enum RunStatus : byte
{
    /// <summary>Restore is out; the step begins when every part has answered.</summary>
    Restoring,
    Training,
    Evaluating,
    Completed,
    Failed,
}

/// <summary>Runs the epochs: begins a step, waits until every delta is in, commits, begins the next.</summary>
/// <remarks>Starting a run and recovering one are the same path: raise the term, restore every part, go on. Time comes in as ticks
/// and silos as lists of names, so a simulator can own both.</remarks>
public sealed class CoordinatorState
{
    /// <summary>Recoveries in a row without a new committed step that end a run.</summary>
    public const int MaxFruitlessRecoveries = 5;

    private readonly RunPlan plan;
    private readonly BatchOrder order;
    private readonly TimeSpan deadline;
    private readonly List<Score> losses = [];
    private readonly List<EvaluationScore> evaluations = [];
    private readonly bool[] answered;
    private int missing;
    private Score? report;
    private int chunk;
    private int version;
    private int fruitless;
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
    }

    public RunStatus Status { get; private set; } = RunStatus.Restoring;
    public int Term { get; private set; }
    public ImmutableArray<string> Silos { get; private set; }
    public Placement? Placement { get; private set; }

    /// <summary>Updates committed, by any term of this coordinator.</summary>
    public int CommittedSteps => losses.Count;

    /// <summary>The step at work, from 1.</summary>
    public int Step => version + 1;

    public int Steps => order.Steps;
    public int Epoch => order.EpochOf(IsOver ? Math.Max(version, 1) : Math.Min(Step, Steps));
    public IReadOnlyList<Score> Losses => losses;
    public IReadOnlyList<EvaluationScore> Evaluations => evaluations;
    public int Recoveries { get; private set; }
    public int ReplayedSteps { get; private set; }

    /// <summary>Messages dropped because their term or step was over.</summary>
    public long StaleMessages { get; private set; }

    /// <summary>Why the run failed.</summary>
    public Failure? Failure { get; private set; }

    private bool IsOver => Status is RunStatus.Completed or RunStatus.Failed;

    /// <summary>Takes the lead: the first Restore goes out.</summary>
    public void Start(IOutbox outbox) => Restore(outbox);

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
                if (Tick(message.Key.From) && missing == 0) BeginStep(outbox);
                break;
            case Ready when IsCurrentStep(message.Key):
                if (Tick(message.Key.From)) CommitIfComplete(outbox);
                break;
            case Report { Key.Phase: Phase.Evaluate } r when Status == RunStatus.Evaluating && r.Key.Step == version && r.Key.Microbatch == chunk:
                NextChunk(r, outbox);
                break;
            case Report { Key.Phase: Phase.Forward } r when IsCurrentStep(r.Key) && report is null:
                (report, progressed) = (r.Score, true);
                CommitIfComplete(outbox);
                break;
            case NeedRestore when Status != RunStatus.Restoring:
                Recover(outbox);
                break;
            case Failure failure:
                Fail(failure);
                break;
        }
    }

    /// <summary>The time now, on any clock that does not run backward. Without progress for the deadline, the step is recovered.</summary>
    public void Tick(TimeSpan now, IOutbox outbox)
    {
        if (IsOver) return;
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
        Restore(outbox);
    }

    // The one path for a start and for every fault: whatever was half done belongs to an old term and is dropped by its receivers.
    private void Restore(IOutbox outbox)
    {
        Term++;
        version = 0;
        (Status, report, progressed) = (RunStatus.Restoring, null, true);
        Expect(plan.PartCount);
        Placement = Placement.Spread(plan, Silos, Placement);
        outbox.Send(Recipients.Everyone, new Restore(KeyOf(1, Phase.Forward), plan, Placement));
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
        if (!Remember(losses, version, score, $"the loss of step {Step}")) return;
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

        var index = evaluations.FindIndex(e => e.Version == version);
        if (index < 0) evaluations.Add(new EvaluationScore(version, part.Score));
        else if (!SameBits(evaluations[index].Score, part.Score))
        {
            Diverged($"the evaluation of version {version}", evaluations[index].Score, part.Score);
            return;
        }

        if (plan.Spec.Training.Stop?.IsMet(part.Score) == true) Status = RunStatus.Completed;
        else GoOn(outbox);
    }

    private void GoOn(IOutbox outbox)
    {
        if (version == Steps) Status = RunStatus.Completed;
        else BeginStep(outbox);
    }

    // Steps at or below the highest one ever committed are replays: they must come out as they did before.
    private bool Remember(List<Score> known, int index, Score score, string what)
    {
        if (index == known.Count)
        {
            known.Add(score);
            fruitless = 0;
            return true;
        }

        ReplayedSteps++;
        if (SameBits(known[index], score)) return true;
        Diverged(what, known[index], score);
        return false;
    }

    private void Diverged(string what, Score before, Score now) => Fail(new Failure(
        KeyOf(Step, Phase.Forward), FailureKind.Divergence, $"{what} was {before.Loss:R} before and {now.Loss:R} when computed again"));

    private static bool SameBits(Score a, Score b) =>
        BitConverter.DoubleToInt64Bits(a.Loss) == BitConverter.DoubleToInt64Bits(b.Loss) && a.Correct == b.Correct && a.Rows == b.Rows;

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
