using System.Collections.Immutable;
using System.Globalization;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>The store of a simulated run: what is in it outlives every part and the coordinator.</summary>
/// <remarks>A request takes effect at once and whole when it is delivered; the answer is a message like any other.</remarks>
public sealed class MemoryStore
{
    private readonly Dictionary<(int Version, int Term, SliceRange Slice), SlicePart> parts = [];
    private readonly List<(CheckpointId Id, Checkpoint Checkpoint)> checkpoints = [];
    private int term;

    /// <summary>The versions of all whole checkpoints, in the order in which they were made.</summary>
    public IEnumerable<int> Versions => checkpoints.Select(c => c.Id.Version);

    /// <summary>Brings the model of a checkpoint.</summary>
    public SavedModel Open(RunPlan plan, CheckpointId id)
    {
        var checkpoint = checkpoints.Find(c => c.Id == id).Checkpoint;
        return SavedModel.Assemble(plan with { Granularity = checkpoint.Granularity }, slice => parts[(id.Version, id.Term, slice)]);
    }

    /// <summary>Does what a message asks for.</summary>
    public void Receive(Message message, IOutbox outbox)
    {
        switch (message)
        {
            case Lead lead:
                term = Math.Max(term, lead.Key.Term) + 1;
                var newest = checkpoints.LastOrDefault();
                outbox.Send(Recipients.Coordinator, new Led(lead.Key with { Term = term, From = PartId.Store }, newest.Id, newest.Checkpoint, []));
                break;
            case SavePart save:
                // The first one stays: a repeat is the same, and a checkpoint that counts must not change under its readers.
                parts.TryAdd((save.Key.Step, save.Key.Term, save.Slice), save.Part);
                var (weights, outgoing) = (save.Part.Parameters.WeightsSum, save.Part.Parameters.OutgoingSum);
                outbox.Send(Recipients.Coordinator, new Saved(save.Key, [new SavedPart(save.Key.From, string.Create(CultureInfo.InvariantCulture, $"{weights:x16}{outgoing:x16}"), weights, outgoing)]));
                break;
            case MoveHead move when move.Key.Term == term:
                if (checkpoints.TrueForAll(c => c.Id.Version < move.Key.Step))
                    checkpoints.Add((new CheckpointId(move.Key.Step, move.Key.Term, "simulated"), move.Checkpoint));
                outbox.Send(Recipients.Coordinator, new HeadMoved(move.Key with { From = PartId.Store }));
                break;
            case MoveHead move:
                outbox.Send(Recipients.Coordinator, new StoreFailed(move.Key with { From = PartId.Store }, IsFenced: true, $"term {term} leads the run"));
                break;
        }
    }
}
