using System.Collections.Immutable;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>What a run must come to, from a trainer that shares nothing with the machines.</summary>
/// <param name="Result">Parameters, losses and evaluations.</param>
/// <param name="Versions">Hash of the parameters after so many updates; the initial ones first.</param>
/// <param name="Data">The rows.</param>
public sealed record Golden(TrainingResult Result, ImmutableArray<string> Versions, Dataset Data);

/// <summary>What must hold at every moment, looked at from outside the machines: they could be wrong about
/// themselves.</summary>
/// <param name="plan">The run.</param>
/// <param name="store">Where it is saved.</param>
/// <param name="golden">What it must come to, if that is known.</param>
internal sealed class SafetyInvariants(RunPlan plan, MemoryStore store, Golden? golden)
{
    private readonly List<int> committedInTerm = []; // −1 where nobody led
    private readonly ActorId[] shards = [.. plan.Actors.Where(part => part.Kind == ActorRole.Shard)];
    private readonly Dictionary<int, int> leaderOfTerm = [];
    private readonly Dictionary<(int Step, int Microbatch), int[]> rowsOfStep = [];
    private readonly Dictionary<int, int> newestRequest = []; // to lead, by the coordinator's number
    private LeadershipGranted? given;
    private int holder;
    private bool holderKnows;
    private readonly HashSet<(int Term, int Step, ActorId Slice)> ready = [];
    private readonly HashSet<int> missing = []; // versions whose checkpoint was refused or damaged
    private readonly HashSet<CheckpointId> damaged = [];
    private int scoresDamagedIn = -1; // the term
    private int highestTerm;
    private int committed;
    private int reached; // since the last recovery

    /// <summary>Updates committed by any coordinator.</summary>
    public int Committed => committed;

    /// <summary>The store refused what it was asked for: a checkpoint may be missing by no fault of the
    /// protocol.</summary>
    public void Refused(Message message)
    {
        if (message.Key.Phase == Phase.Save)
            missing.Add(message.Key.Step);
    }

    /// <summary>A checkpoint was damaged after it was made.</summary>
    public void Damaged(CheckpointId id)
    {
        missing.Add(id.Version);
        damaged.Add(id);
    }

    /// <summary>Scores were damaged after they were written: checkpoints that name them are broken until they are
    /// written again.</summary>
    public void ScoresDamaged()
    {
        scoresDamagedIn = store.Term;
        missing.UnionWith(store.Broken(plan));
    }

    /// <summary>No part sees a step that is not committed in its term, and sees steps one by one.</summary>
    public void PartMoved(Actor part, int termBefore, int versionBefore, Message message)
    {
        if (part.Version == versionBefore && part.Term == termBefore)
            return;
        if (message is not Restore && part.Version != versionBefore && part.Version != versionBefore + 1)
            throw new InvariantViolationException($"{part.Id} went from version {versionBefore} to {part.Version}");
        if (part.Version > 0 && part.Version != versionBefore && part.Version > CommittedIn(part.Term))
            throw new InvariantViolationException(
                $"{part.Id} has version {part.Version} of term {part.Term}, of which only {CommittedIn(part.Term)} "
                    + $"is committed"
            );
    }

    /// <summary>What a coordinator has committed counts from now on.</summary>
    public void LeaderMoved(Leader leader)
    {
        var state = leader.State;
        // It may be fenced by a late request of its own of whose answer it has not heard; that is safe, and nobody
        // could tell.
        if (
            state.Failure?.Kind == FailureKind.Fenced
            && holder == leader.Number
            && (holderKnows || given!.Key.Step == newestRequest[holder])
        )
            throw new InvariantViolationException(
                $"coordinator {leader.Number} was fenced although nobody else leads: {state.Failure.Key}"
            );
        if (state.Status == RunStatus.HandedOver && !leader.Silo.IsLeaving)
            throw new InvariantViolationException(
                $"coordinator {leader.Number} handed the run over although its silo stays"
            );
        // Its term may be another's by then: raised by a part that knows of a higher one.
        if (state.Status is RunStatus.Leading or RunStatus.Failed)
            return;
        var version = state.Step - 1;
        while (committedInTerm.Count <= state.Term)
            committedInTerm.Add(-1);
        for (var step = committedInTerm[state.Term] + 1; committedInTerm[state.Term] >= 0 && step <= version; step++)
            AllReady(state.Term, step);
        committedInTerm[state.Term] = Math.Max(committedInTerm[state.Term], version);
        committed = Math.Max(committed, version);
        if (version > leader.Version)
            reached = Math.Max(reached, version);
        leader.Version = version;
    }

    /// <summary>A shard says that all gradients of a step are in.</summary>
    public void ShardReady(Ready said) => ready.Add((said.Key.Term, said.Key.Step, said.Key.From));

    // Nothing is committed of which a shard has not said in this very term that it can apply it.
    private void AllReady(int term, int step)
    {
        foreach (var shard in shards)
            if (!ready.Contains((term, step, shard)))
                throw new InvariantViolationException(
                    $"step {step} of term {term} was committed although {shard} was not ready"
                );
    }

    /// <summary>A term has one leader, and a recovery computes no more steps again than a checkpoint rule allows
    /// (R2).</summary>
    public void Restoring(Leader leader, Restore restore)
    {
        if (!leaderOfTerm.TryAdd(restore.Key.Term, leader.Number) && leaderOfTerm[restore.Key.Term] != leader.Number)
            throw new InvariantViolationException(
                $"coordinators {leaderOfTerm[restore.Key.Term]} and {leader.Number} both lead term {restore.Key.Term}"
            );
        // Led in a term that was given long ago: the parts are ahead of it and will not listen.
        if (restore.Key.Term < highestTerm)
            return;
        var (from, every) = (restore.Key.CommittedVersion, plan.Checkpoints.Steps);
        if (leader.State.Moves > leader.Moves && from < leader.Version && !missing.Contains(leader.Version))
            throw new InvariantViolationException(
                $"parts move at version {leader.Version} and version {from} is restored"
            );
        // Whoever went past a version that was due had it saved or was told that it could not be.
        for (var due = every * (from / Math.Max(1, every) + 1); every > 0 && due < reached; due += every)
            if (!missing.Contains(due))
                throw new InvariantViolationException(
                    $"{reached - from} steps from version {from} on are computed again although version {due} was "
                        + $"to be saved"
                );
        LeaderMoved(leader);
        (reached, highestTerm, leader.Moves) = (from, restore.Key.Term, leader.State.Moves);
    }

    /// <summary>A coordinator asks for the lead.</summary>
    public void Leading(int leader, AcquireLeadership request) => newestRequest[leader] = request.Key.Step;

    /// <summary>A coordinator hears an answer to such a request.</summary>
    public void Heard(int leader, LeadershipGranted led) => holderKnows |= leader == holder && led.Key == given!.Key;

    /// <summary>Who leads is given the newest checkpoint that is whole.</summary>
    public void Led(int leader, LeadershipGranted led)
    {
        (holder, given, holderKnows) = (leader, led, false);
        var newest = store.NewestWhole(plan);
        if (led.Id != newest)
            throw new InvariantViolationException(
                $"term {led.Key.Term} is led from checkpoint {led.Id?.Version ?? 0} although that of step "
                    + $"{newest?.Version ?? 0} is whole"
            );
    }

    /// <summary>A checkpoint counts from now on: it is of the term that leads.</summary>
    public void Counts(CheckpointId id)
    {
        if (id.Term != store.Term)
            throw new InvariantViolationException(
                $"a checkpoint of term {id.Term} counts though term {store.Term} leads"
            );
    }

    /// <summary>What counts as saved is whole, and is the run's own state.</summary>
    public void HeadMoved(CheckpointId id)
    {
        missing.UnionWith(store.Dropped.Select(dropped => dropped.Version));
        // Scores that were damaged since its term began are found by the next one; those of before were to be written
        // again. A request that comes late may be for a checkpoint that was damaged since it was made.
        if (!store.IsWhole(plan, id) && scoresDamagedIn < id.Term && !damaged.Contains(id))
            throw new InvariantViolationException(
                $"the checkpoint of step {id.Version} names what an earlier term lost"
            );
        if (!store.IsWhole(plan, id))
            missing.Add(id.Version);
        else if (golden is not null)
            HoldsWhatTheStepMade(id, golden);
    }

    private void HoldsWhatTheStepMade(CheckpointId id, Golden known)
    {
        var hash = WeightsHash.Sha256(store.Open(plan, id).Parameters.Select(layer => (layer.Weights, layer.Biases)));
        if (hash != known.Versions[id.Version])
            throw new InvariantViolationException(
                $"the checkpoint of step {id.Version} holds other parameters than that step"
            );
    }

    /// <summary>The rows of a step are the same whenever they are sent.</summary>
    public void RowsSent(Activations sent)
    {
        if (golden is null)
            return;
        var rows = RowsIn(sent.Values, golden.Data.Training);
        if (
            !rowsOfStep.TryAdd((sent.Key.Step, sent.Key.Microbatch), rows)
            && !rows.AsSpan().SequenceEqual(rowsOfStep[(sent.Key.Step, sent.Key.Microbatch)])
        )
            throw new InvariantViolationException($"step {sent.Key.Step} was sent other rows than before");
    }

    /// <summary>Each row was used once an epoch (R3).</summary>
    public void AllRowsUsedOnce()
    {
        if (golden is null)
            return;
        var all = golden.Data.Training.Count;
        var epochs = rowsOfStep
            .Where(s => s.Key.Step <= committed)
            .OrderBy(s => s.Key)
            .SelectMany(s => s.Value)
            .Chunk(all);
        if (epochs.Any(epoch => epoch.Distinct().Count() != epoch.Length))
            throw new InvariantViolationException("a row was used twice in one epoch");
    }

    private int CommittedIn(int term) => term < committedInTerm.Count ? committedInTerm[term] : -1;

    private static int[] RowsIn(Payload payload, RowSet set)
    {
        var rows = new int[payload.Rows];
        for (var r = 0; r < rows.Length; r++)
        {
            var row = 0;
            while (row < set.Count && !IsRow(row))
                row++;
            rows[r] =
                row < set.Count
                    ? row
                    : throw new InvariantViolationException("values were sent that are no row of the data");

            bool IsRow(int candidate)
            {
                for (var f = 0; f < payload.Units; f++)
                    if (payload.Values[f * rows.Length + r].CompareTo(set.Input(candidate, f)) != 0)
                        return false;
                return true;
            }
        }

        return rows;
    }
}
