using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Simulation;

/// <summary>A carrier that only reorders, for parts of any kind.</summary>
internal sealed class Shuffle : IOutbox
{
    private readonly RunPlan plan;
    private readonly Dataset data;
    private readonly CounterRandom chance;
    private readonly CoordinatorActor coordinator;
    private readonly List<(ActorId To, Message Message)> underWay = [];
    private readonly MemoryStore store = new();
    private ulong draws;

    public Shuffle(RunPlan plan, Dataset data, Func<ActorId, Actor> create, ulong seed)
    {
        (this.plan, this.data, chance) = (plan, data, new CounterRandom(seed, RandomPurpose.Simulation, 7));
        Actors = plan.Actors.ToDictionary(p => p, create);
        coordinator = new CoordinatorActor(plan, term: 0, "shuffle", ["shuffle"], TimeSpan.MaxValue);
    }

    public Dictionary<ActorId, Actor> Actors { get; }

    public CoordinatorActor Run()
    {
        coordinator.Start(this);
        while (underWay.Count > 0)
        {
            var index = chance.Below(underWay.Count, draws++);
            var (to, message) = underWay[index];
            (underWay[index], underWay[^1]) = (underWay[^1], underWay[index]);
            underWay.RemoveAt(underWay.Count - 1);
            if (to == ActorId.Coordinator)
                coordinator.Receive(message, this);
            else if (to == ActorId.Store)
                store.Receive(message, this);
            else
                Actors[to]
                    .Receive(message is Restore r ? r with { Loaded = new LoadedState(null, data) } : message, this);
        }

        return coordinator;
    }

    public void Send(Recipients to, Message message)
    {
        ActorId[] receivers = to.Kind switch
        {
            RecipientKind.Coordinator => [ActorId.Coordinator],
            RecipientKind.Source => [ActorId.Source],
            RecipientKind.Store => [ActorId.Store],
            RecipientKind.Loss => [ActorId.Loss],
            RecipientKind.Layer => [.. plan.ShardsOf(to.Number).Select(s => ActorId.Shard(s.Layer, s.Index))],
            _ => [.. plan.Actors],
        };
        underWay.AddRange(receivers.Select(receiver => (receiver, message)));
    }

    public void Observe(Observation observation)
    {
        // Nothing is traced here.
    }
}
