using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Simulation;

/// <summary>A carrier that only reorders, for parts of any kind.</summary>
internal sealed class Shuffle : IOutbox
{
    private readonly RunPlan plan;
    private readonly AddressedRandom chance;
    private readonly CoordinatorState coordinator;
    private readonly List<(PartId To, Message Message)> underWay = [];
    private readonly MemoryStore store = new();
    private ulong draws;

    public Shuffle(RunPlan plan, Func<PartId, PartState> create, ulong seed)
    {
        (this.plan, chance) = (plan, new AddressedRandom(seed, RandomPurpose.Simulation, 7));
        Parts = plan.Parts.ToDictionary(p => p, create);
        coordinator = new CoordinatorState(plan, term: 0, "shuffle", ["shuffle"], TimeSpan.MaxValue);
    }

    public Dictionary<PartId, PartState> Parts { get; }

    public CoordinatorState Run()
    {
        coordinator.Start(this);
        while (underWay.Count > 0)
        {
            var index = chance.Below(underWay.Count, draws++);
            var (to, message) = underWay[index];
            (underWay[index], underWay[^1]) = (underWay[^1], underWay[index]);
            underWay.RemoveAt(underWay.Count - 1);
            if (to == PartId.Coordinator) coordinator.Receive(message, this);
            else if (to == PartId.Store) store.Receive(message, this);
            else Parts[to].Receive(message, this);
        }

        return coordinator;
    }

    public void Send(Recipients to, Message message)
    {
        PartId[] receivers = to.Kind switch
        {
            RecipientKind.Coordinator => [PartId.Coordinator],
            RecipientKind.Source => [PartId.Source],
            RecipientKind.Store => [PartId.Store],
            RecipientKind.Loss => [PartId.Loss],
            RecipientKind.Layer => [.. plan.SlicesOf(to.Number).Select(s => PartId.Slice(s.Layer, s.Index))],
            _ => [.. plan.Parts],
        };
        underWay.AddRange(receivers.Select(receiver => (receiver, message)));
    }

    public void Observe(Observation observation)
    {
        // Nothing is traced here.
    }
}
