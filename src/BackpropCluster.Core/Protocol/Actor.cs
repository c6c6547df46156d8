namespace BackpropCluster.Core.Protocol;

/// <summary>The receive rule: the first lines of every handler, the same for Source, shards, Loss and exchanges (design
/// §5).</summary>
public abstract class Actor(ActorId id)
{
    private RunPlan? plan;

    /// <summary>Who this is. An exchange learns its number with each Restore.</summary>
    public ActorId Id { get; protected set; } = id;

    /// <summary>The highest term seen.</summary>
    public int Term { get; private set; }

    /// <summary>Updates applied, or seen to be committed.</summary>
    public int Version { get; private set; }

    /// <summary>Messages dropped because their term or step was over, or their run another one.</summary>
    public long StaleMessages { get; private set; }

    protected RunPlan Plan => plan ?? throw new InvariantViolationException($"{Id} works without a plan");

    /// <summary>Takes one message and puts everything that follows from it into the outbox.</summary>
    public virtual void Receive(Message message, IOutbox outbox)
    {
        if (message is Restore restore)
            Adopt(restore, outbox);
        else if (IsCurrent(message.Key, outbox))
            Handle(message, outbox);
    }

    /// <summary>Takes on a plan, at a checkpoint or at version 0: everything that was known is forgotten.</summary>
    protected abstract void Load(Restore restore);

    /// <summary>What the exchange had loaded for a Restore before it handed it on.</summary>
    protected LoadedState Loaded(Restore restore) =>
        restore.Loaded as LoadedState
        ?? throw new InvariantViolationException($"{Id} was restored before anything was loaded for it");

    /// <summary>Says that the plan is taken on, or again that it is.</summary>
    protected virtual void AnswerRestore(Restore restore, IOutbox outbox) =>
        outbox.Send(Recipients.Coordinator, new Restored(restore.Key with { From = Id }));

    /// <summary>A message of this run, this term, and the step or version that is current.</summary>
    protected abstract void Handle(Message message, IOutbox outbox);

    /// <summary>The current step turned out to be committed: apply what waits for it. False if nothing complete
    /// waits.</summary>
    protected abstract bool TryCommit(IOutbox outbox);

    /// <summary>Whether the message's step or version is current, after catching up with what the message proves. A
    /// message that cannot be followed asks for Restore.</summary>
    protected bool IsCurrent(MessageKey key, IOutbox outbox)
    {
        // A part that woke up empty knows nothing, not even its shape; whatever it is asked, it must be given a state
        // first.
        if (plan is null)
        {
            Term = Math.Max(Term, key.Term);
            AskForRestore(key, outbox);
            return false;
        }

        // Looked up before anything else is believed: a message of an edited run file carries numbers of another model.
        if (key.Run != plan.Fingerprint || key.Term < Term || key.CommittedVersion < Version)
        {
            StaleMessages++;
            return false;
        }

        // Restore is a barrier, so a higher term is met without one only by a part that slept through it. Its
        // half-summed step is of the old term; keeping any of it would mix two attempts in one sum.
        if (key.Term > Term)
        {
            Term = key.Term;
            plan = null;
            AskForRestore(key, outbox);
            return false;
        }

        if (key.CommittedVersion == Version)
            return true;

        // Nobody sends a message of step v + 2 before v + 1 is committed; so the message itself is the proof, and the
        // Advance that says the same may come later or never.
        if (key.CommittedVersion == Version + 1 && TryCommit(outbox))
        {
            Invariants.VersionGrowsByOne(Version, key.CommittedVersion);
            Version = key.CommittedVersion;
            return true;
        }

        AskForRestore(key, outbox);
        return false;
    }

    protected void Fail(MessageKey key, FailureKind kind, string reason, IOutbox outbox) =>
        outbox.Send(Recipients.Coordinator, new Failure(key with { From = Id }, kind, reason));

    /// <summary>Takes the array of a whole layer; true if that was news. A contradiction ends the run.</summary>
    protected bool Put(InputBuffer slots, MessageKey key, Payload payload, IOutbox outbox)
    {
        Invariants.OneStepPerSum(key, Term, Version);
        return IsNews(slots.PutAll(payload), key, payload, outbox);
    }

    /// <summary>Whether putting an array somewhere was news; a contradiction ends the run.</summary>
    protected bool IsNews(InputOutcome outcome, MessageKey key, Payload payload, IOutbox outbox)
    {
        switch (outcome)
        {
            case InputOutcome.Accepted:
                return true;
            case InputOutcome.Conflict:
                Fail(key, FailureKind.Divergence, $"{Id} got two different arrays under one key ({key})", outbox);
                return false;
            case InputOutcome.Misshapen:
                Fail(
                    key,
                    FailureKind.Defect,
                    $"{Id} has no slot for {payload.Units} units × {payload.Rows} rows ({key})",
                    outbox
                );
                return false;
            default:
                return false;
        }
    }

    /// <summary>A copy of numbers for an observation, where the step is traced in such detail: the array itself is
    /// filled anew in the next.</summary>
    protected double[] Snapshot(MessageKey key, ReadOnlySpan<double> numbers) =>
        key.Trace.IsSampled && Plan.Trace.Detail == TraceDetail.Numbers ? numbers.ToArray() : [];

    private void Adopt(Restore restore, IOutbox outbox)
    {
        if (restore.Key.Term < Term || (plan is not null && restore.Key.Run != plan.Fingerprint))
        {
            StaleMessages++;
            return;
        }

        // A repeat of the Restore that already took effect must not throw away the steps since; it is only answered
        // again.
        if (plan is null || restore.Key.Term > Term)
        {
            (plan, Term, Version) = (restore.Plan, restore.Key.Term, restore.Key.CommittedVersion);
            Load(restore);
        }

        AnswerRestore(restore, outbox);
    }

    protected void AskForRestore(MessageKey key, IOutbox outbox) =>
        outbox.Send(Recipients.Coordinator, new NeedRestore(key with { From = Id, Term = Term }));
}
