using System.Globalization;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Simulation;

/// <summary>The store of a simulated run: what is in it outlives every part and the coordinator.</summary>
/// <param name="keep">How many of the newest checkpoints are kept; 0 keeps all.</param>
/// <remarks>A request takes effect at once when it is delivered; the answer is a message like any other. Not sealed, so
/// that a test can show what a worse store would do.</remarks>
public class MemoryStore(int keep = 0)
{
    /// <summary>Steps of one block of scores: so few that short runs have several.</summary>
    private const int StepsInBlock = 3;

    private const int Copies = 2;

    private readonly Dictionary<(int Version, int Term, ShardRange Slice), (ShardSnapshot Part, bool IsTorn)> parts =
    [];
    private readonly Dictionary<CheckpointId, Checkpoint> written = [];
    private readonly Dictionary<CheckpointId, SavedModel> opened = [];
    private readonly Dictionary<(int Block, int Copy), bool> tornBlocks = []; // whether each that was written is torn
    private readonly KnownBlocks knownBlocks = new();
    private RunManifest head = RunManifest.New(0);

    /// <summary>The versions of all checkpoints that count, in the order in which they were made.</summary>
    public IEnumerable<int> Versions => head.Checkpoints.Select(c => c.Version);

    /// <summary>The term that leads the run.</summary>
    public int Term => head.Term;

    /// <summary>Checkpoints that counted until the newest one was made.</summary>
    internal IEnumerable<CheckpointId> Dropped => head.Dropped;

    /// <summary>The lead that was given last.</summary>
    internal LeadershipGranted? Given { get; private set; }

    /// <summary>All checkpoints that count, the oldest first.</summary>
    protected IReadOnlyList<CheckpointId> Checkpoints => head.Checkpoints;

    /// <summary>Brings the model of a checkpoint. What an exchange's shell has read is kept for the parts of its silo,
    /// whatever becomes of it.</summary>
    public SavedModel Open(RunPlan plan, CheckpointId id)
    {
        if (!opened.TryGetValue(id, out var model))
            opened.Add(
                id,
                model = ParametersAssembly.Model(
                    plan with
                    {
                        Granularity = written[id].Granularity,
                    },
                    shard => parts[(id.Version, id.Term, shard)].Part
                )
            );
        return model;
    }

    /// <summary>The checkpoint that was made last.</summary>
    public CheckpointId? Newest => head.Checkpoints.LastOrDefault();

    /// <summary>The newest checkpoint that is whole.</summary>
    public CheckpointId? NewestWhole(RunPlan plan) => head.Checkpoints.LastOrDefault(id => IsWhole(plan, id));

    /// <summary>Versions of checkpoints that count and are not whole.</summary>
    internal IEnumerable<int> Broken(RunPlan plan) =>
        head.Checkpoints.Where(id => !IsWhole(plan, id)).Select(id => id.Version);

    /// <summary>Whether this store would load a checkpoint.</summary>
    public virtual bool CanOpen(RunPlan plan, CheckpointId id) => IsWhole(plan, id);

    /// <summary>Whether all parts of a checkpoint, and the blocks of scores that it names, are there as they were when
    /// it was made.</summary>
    public bool IsWhole(RunPlan plan, CheckpointId id) =>
        Enumerable.Range(0, MetricsBlock.Count(id.Version, StepsInBlock)).All(HasBlock)
        && ShardsOf(plan, written[id].Granularity)
            .Index()
            .All(shard =>
                parts.TryGetValue((id.Version, id.Term, shard.Item), out var stored)
                && !stored.IsTorn
                && DigestOf(stored.Part) == written[id].Parts[shard.Index]
            );

    /// <summary>Does what a message asks for.</summary>
    public void Receive(Message message, IOutbox outbox)
    {
        switch (message)
        {
            case AcquireLeadership lead:
                TakeLead(lead, outbox);
                break;
            case SaveShard save:
                var name = (save.Key.Step, save.Key.Term, save.Shard);
                // A repeat is the same. If it is not, the checkpoint that names the first one is broken.
                parts[name] = (save.Part, IsTorn: false);
                outbox.Send(
                    Recipients.Coordinator,
                    new Saved(
                        save.Key,
                        [
                            new SavedShard(
                                save.Key.From,
                                DigestOf(save.Part),
                                save.Part.Parameters.WeightsSum,
                                save.Part.Parameters.OutgoingSum
                            ),
                        ]
                    )
                );
                break;
            case CommitCheckpoint move when Accepts(head, move.Key.Term):
                MoveHead(move);
                outbox.Send(Recipients.Coordinator, new CheckpointCommitted(move.Key with { From = ActorId.Store }));
                break;
            case CommitCheckpoint move:
                outbox.Send(
                    Recipients.Coordinator,
                    new StoreFailed(
                        move.Key with
                        {
                            From = ActorId.Store,
                        },
                        StoreFault.Fenced,
                        $"term {head.Term} leads the run"
                    )
                );
                break;
        }
    }

    /// <summary>Answers that it cannot be done.</summary>
    public static void Refuse(Message message, IOutbox outbox) =>
        outbox.Send(
            Recipients.Coordinator,
            new StoreFailed(message.Key with { From = ActorId.Store }, StoreFault.Refused, "the store refuses")
        );

    /// <summary>Does half of a write, and tells nobody.</summary>
    public void Tear(SaveShard save)
    {
        var name = (save.Key.Step, save.Key.Term, save.Shard);
        if (!parts.TryGetValue(name, out var known) || known.IsTorn)
            parts[name] = (Half(save.Part), IsTorn: true);
    }

    /// <summary>Tears one part of the newest checkpoint; false if there is none.</summary>
    public bool Damage(RunPlan plan, uint choice)
    {
        if (Newest is not { } id)
            return false;
        var shards = ShardsOf(plan, written[id].Granularity).ToArray();
        var name = (id.Version, id.Term, shards[choice % shards.Length]);
        parts[name] = (Half(parts[name].Part), IsTorn: true);
        return true;
    }

    /// <summary>Tears one copy of a block of scores, or both; false if none was written yet.</summary>
    public bool DamageScores(uint choice)
    {
        var blocks = tornBlocks.Count / Copies;
        if (blocks == 0)
            return false;
        var (block, which) = ((int)(choice / 3 % (uint)blocks), choice % 3);
        for (var copy = 0; copy < Copies; copy++)
            if (which == Copies || which == copy)
                tornBlocks[(block, copy)] = true;
        return true;
    }

    /// <summary>The term in which blocks are known to be whole. Apart for the mutant that never looks
    /// again.</summary>
    protected virtual int TermOfBlocks(int by) => by;

    /// <summary>Whether a coordinator of a term may make a checkpoint count.</summary>
    /// <remarks>Apart for the mutant that fences nobody.</remarks>
    protected virtual bool Accepts(RunManifest manifest, int term) => manifest.Accepts(term);

    /// <summary>What is answered of a checkpoint. Apart for the mutant that forgets the scores.</summary>
    protected virtual Checkpoint Read(CheckpointId id) => written[id];

    private bool HasBlock(int block) =>
        Enumerable.Range(0, Copies).Any(copy => tornBlocks.TryGetValue((block, copy), out var isTorn) && !isTorn);

    private void TakeLead(AcquireLeadership lead, IOutbox outbox)
    {
        head = head.Granted(lead.Key.Term);
        var search = new CheckpointSearch(head);
        while (search.Next is { } id)
            if (CanOpen(lead.Plan, id))
                search.Take(Read(id));
            else
                search.Skip(
                    string.Create(CultureInfo.InvariantCulture, $"the checkpoint of step {id.Version} is broken")
                );
        Given = search.Answer(lead.Key);
        outbox.Send(Recipients.Coordinator, Given);
    }

    private void MoveHead(CommitCheckpoint move)
    {
        var (version, by) = (move.Key.Step, move.Key.Term);
        WriteBlocks(by, move.Checkpoint);
        if (head.Has(version, by))
            return;
        foreach (var gone in head.Dropped)
        foreach (var name in parts.Keys.Where(name => name.Version == gone.Version && name.Term == gone.Term).ToArray())
            parts.Remove(name);
        var id = new CheckpointId(version, by, "simulated");
        written[id] = move.Checkpoint;
        head = head.With(id, move.Checkpoint, keep);
    }

    private void WriteBlocks(int by, Checkpoint checkpoint)
    {
        var known = knownBlocks.Of(TermOfBlocks(by));
        for (var block = known.Count; block < MetricsBlock.Count(checkpoint.Version, StepsInBlock); block++)
        {
            for (var copy = 0; copy < Copies; copy++)
                tornBlocks[(block, copy)] = false;
            knownBlocks.Add("whole");
        }
    }

    private static string DigestOf(ShardSnapshot part) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{part.Parameters.WeightsSum:x16}{part.Parameters.OutgoingSum:x16}"
        );

    private static IEnumerable<ShardRange> ShardsOf(RunPlan plan, Granularity granularity)
    {
        var cut = plan with { Granularity = granularity };
        return Enumerable.Range(1, cut.Depth).SelectMany(layer => cut.ShardsOf(layer));
    }

    // What a file system leaves where a write was cut off: the right length, and nothing in the second half.
    private static ShardSnapshot Half(ShardSnapshot part)
    {
        var weights = part.Parameters.Weights;
        double[] values = [.. weights.Values];
        values.AsSpan(values.Length / 2).Clear();
        return part with
        {
            Parameters = part.Parameters with { Weights = new Payload(weights.Units, weights.Rows, values) },
        };
    }
}
