using System.Collections.Immutable;
using System.Globalization;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>The store of a simulated run: what is in it outlives every part and the coordinator.</summary>
/// <remarks>A request takes effect at once when it is delivered; the answer is a message like any other. Not sealed, so that a test can
/// show what a worse store would do.</remarks>
public class MemoryStore
{
    private readonly Dictionary<(int Version, int Term, SliceRange Slice), (SlicePart Part, bool IsTorn)> parts = [];
    private readonly List<(CheckpointId Id, Checkpoint Checkpoint)> checkpoints = []; // that the head names
    private readonly Dictionary<CheckpointId, Checkpoint> written = [];
    private readonly Dictionary<CheckpointId, SavedModel> opened = [];
    private int term;

    /// <summary>The versions of all checkpoints that count, in the order in which they were made.</summary>
    public IEnumerable<int> Versions => checkpoints.Select(c => c.Id.Version);

    /// <summary>The lead that was given last.</summary>
    internal Led? Given { get; private set; }

    /// <summary>All checkpoints that count.</summary>
    protected IReadOnlyList<(CheckpointId Id, Checkpoint Checkpoint)> Checkpoints => checkpoints;

    /// <summary>Brings the model of a checkpoint. What a relay's shell has read is kept for the parts of its silo, whatever becomes of it.</summary>
    public SavedModel Open(RunPlan plan, CheckpointId id)
    {
        if (!opened.TryGetValue(id, out var model))
            opened.Add(id, model = SavedModel.Assemble(plan with { Granularity = written[id].Granularity }, slice => parts[(id.Version, id.Term, slice)].Part));
        return model;
    }

    /// <summary>The checkpoint that was made last.</summary>
    public CheckpointId? Newest => checkpoints.Count == 0 ? null : checkpoints[^1].Id;

    /// <summary>The newest checkpoint that is whole.</summary>
    public CheckpointId? NewestWhole(RunPlan plan) => checkpoints.FindLast(c => IsWhole(plan, c.Id)).Id;

    /// <summary>Whether this store would load a checkpoint.</summary>
    public virtual bool CanOpen(RunPlan plan, CheckpointId id) => IsWhole(plan, id);

    /// <summary>Whether all parts of a checkpoint are there as they were when it was made.</summary>
    public bool IsWhole(RunPlan plan, CheckpointId id) => SlicesOf(plan, written[id].Granularity).Index().All(slice =>
        parts.TryGetValue((id.Version, id.Term, slice.Item), out var stored) && !stored.IsTorn && DigestOf(stored.Part) == written[id].Parts[slice.Index]);

    /// <summary>Does what a message asks for.</summary>
    public void Receive(Message message, IOutbox outbox)
    {
        switch (message)
        {
            case Lead lead:
                TakeLead(lead, outbox);
                break;
            case SavePart save:
                var name = (save.Key.Step, save.Key.Term, save.Slice);
                // A repeat is the same. If it is not, the checkpoint that names the first one is broken.
                parts[name] = (save.Part, IsTorn: false);
                outbox.Send(Recipients.Coordinator, new Saved(save.Key, [new SavedPart(save.Key.From, DigestOf(save.Part), save.Part.Parameters.WeightsSum, save.Part.Parameters.OutgoingSum)]));
                break;
            case MoveHead move when move.Key.Term == term:
                MoveHead(move);
                outbox.Send(Recipients.Coordinator, new HeadMoved(move.Key with { From = PartId.Store }));
                break;
            case MoveHead move:
                outbox.Send(Recipients.Coordinator, new StoreFailed(move.Key with { From = PartId.Store }, StoreFault.Fenced, $"term {term} leads the run"));
                break;
        }
    }

    /// <summary>Answers that it cannot be done.</summary>
    public static void Refuse(Message message, IOutbox outbox) =>
        outbox.Send(Recipients.Coordinator, new StoreFailed(message.Key with { From = PartId.Store }, StoreFault.Refused, "the store refuses"));

    /// <summary>Does half of a write, and tells nobody.</summary>
    public void Tear(SavePart save)
    {
        var name = (save.Key.Step, save.Key.Term, save.Slice);
        if (!parts.TryGetValue(name, out var known) || known.IsTorn) parts[name] = (Half(save.Part), IsTorn: true);
    }

    /// <summary>Tears one part of the newest checkpoint; false if there is none.</summary>
    public bool Damage(RunPlan plan, uint choice)
    {
        if (checkpoints.Count == 0) return false;
        var (id, checkpoint) = checkpoints[^1];
        var slices = SlicesOf(plan, checkpoint.Granularity).ToArray();
        var name = (id.Version, id.Term, slices[choice % slices.Length]);
        parts[name] = (Half(parts[name].Part), IsTorn: true);
        return true;
    }

    /// <summary>The checkpoint that a new leader begins with: the newest that can be loaded.</summary>
    protected virtual (CheckpointId? Id, Checkpoint? Checkpoint) Choose(RunPlan plan) => checkpoints.FindLast(c => CanOpen(plan, c.Id));

    private void TakeLead(Lead lead, IOutbox outbox)
    {
        term = Math.Max(term, lead.Key.Term) + 1;
        var (id, checkpoint) = Choose(lead.Plan);
        ImmutableArray<string> broken = [.. checkpoints.Where(c => c.Id.Version > (id?.Version ?? 0)).Select(c => string.Create(CultureInfo.InvariantCulture, $"the checkpoint of step {c.Id.Version} is broken"))];
        Given = new Led(lead.Key with { Term = term, From = PartId.Store }, id, checkpoint, broken);
        outbox.Send(Recipients.Coordinator, Given);
    }

    private void MoveHead(MoveHead move)
    {
        var (version, by) = (move.Key.Step, move.Key.Term);
        if (checkpoints.Exists(c => c.Id.Version == version && c.Id.Term == by)) return;
        // Broken newer ones may be named still; what is computed again takes their place.
        checkpoints.RemoveAll(c => c.Id.Version >= version);
        var id = new CheckpointId(version, by, "simulated");
        checkpoints.Add((id, move.Checkpoint));
        written[id] = move.Checkpoint;
    }

    private static string DigestOf(SlicePart part) => string.Create(CultureInfo.InvariantCulture, $"{part.Parameters.WeightsSum:x16}{part.Parameters.OutgoingSum:x16}");

    private static IEnumerable<SliceRange> SlicesOf(RunPlan plan, Granularity granularity)
    {
        var cut = plan with { Granularity = granularity };
        return Enumerable.Range(1, cut.Depth).SelectMany(layer => cut.SlicesOf(layer));
    }

    // What a file system leaves where a write was cut off: the right length, and nothing in the second half.
    private static SlicePart Half(SlicePart part)
    {
        var weights = part.Parameters.Weights;
        double[] values = [.. weights.Values];
        values.AsSpan(values.Length / 2).Clear();
        return part with { Parameters = part.Parameters with { Weights = new Payload(weights.Units, weights.Rows, values) } };
    }
}
