using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;
using BackpropCluster.Simulation.Exploration;

namespace BackpropCluster.Tests.Explorer;

/// <summary>The explorer can fail: each of these mutants, in machines of the tests and never in the product's, is
/// caught.</summary>
public class MutantTests
{
    private const int Seeds = 1000;

    private static readonly Dictionary<string, Machines> mutants = new()
    {
        ["no term check"] = With(id =>
            id.Kind switch
            {
                ActorRole.Source => new WithoutTerms.Source(),
                ActorRole.Loss => new WithoutTerms.Loss(),
                ActorRole.Shard => new WithoutTerms.Shard(id),
                _ => new WithoutTerms.Exchange($"silo-{id.Index + 1}"),
            }
        ),
        ["sum by arrival"] = WithExchanges(silo => new ExchangeThatGathersByArrival(silo)),
        ["update before commit"] = WithShards(id => new ShardThatUpdatesBeforeTheCommit(id)),
        ["applied twice"] = WithShards(id => new ShardThatUpdatesTwice(id)),
        ["stale checkpoint chosen"] = Machines.Product with { Store = _ => new StoreThatChoosesAStaleCheckpoint() },
        ["forwarded before the last sender"] = WithExchanges(silo => new ExchangeThatForwardsEarly(silo)),
        ["last sender of a bundle lost"] = WithExchanges(silo => new ExchangeThatLosesTheLastOfABundle(silo)),
        ["routed by an old placement"] = WithExchanges(silo => new ExchangeThatRoutesByAnOldPlacement(silo)),
        ["checkpoint of an earlier term accepted"] = Machines.Product with { Store = _ => new StoreThatFencesNobody() },
        ["optimizer state kept"] = WithShards(id => new ShardThatKeepsItsOptimizerState(id)),
        ["history forgotten"] = Machines.Product with { Store = _ => new StoreThatForgetsTheHistory() },
        ["position not saved"] = With(id => id.Kind == ActorRole.Source ? new SourceThatForgetsItsPosition() : null),
        ["randomness drawn, not addressed"] = With(id =>
            id.Kind == ActorRole.Source ? new SourceThatDrawsItsOrder() : null
        ),
        ["scores known for ever"] = Machines.Product with { Store = _ => new StoreThatKnowsItsBlocksForEver() },
        ["part file counted as whole"] = Machines.Product with { Store = _ => new StoreThatCountsEveryPartAsWhole() },
    };

    public static TheoryData<string> Mutants() => new(mutants.Keys);

    [Theory, MemberData(nameof(Mutants))]
    public void IsCaught(string mutant)
    {
        var explorer = new BackpropCluster.Simulation.Exploration.Explorer(ReferenceTrainer.Train, mutants[mutant]);
        Counterexample? finding = null;
        ulong seed = 0;
        while (finding is null && seed < Seeds)
            finding = explorer.Explore(seed++, new Tally());
        Assert.True(finding is not null, $"'{mutant}' is not caught within {Seeds} seeds");
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"'{mutant}' is caught by seed {seed - 1}, {finding.Faults.Length} faults:\n{finding}"
        );

        // The short list replays by itself, also from its print, and with the product's own machines it ends well.
        var printed = Fault.Parse(string.Join(", ", finding.Faults));
        Assert.Equal(finding.Reason, explorer.Replay(finding.Scenario, finding.Seed, printed)!.Reason);
        Assert.Null(
            new BackpropCluster.Simulation.Exploration.Explorer(ReferenceTrainer.Train).Replay(
                finding.Scenario,
                finding.Seed,
                printed
            )
        );
    }

    private static Machines WithShards(Func<ActorId, Actor> create) =>
        With(id => id.Kind == ActorRole.Shard ? create(id) : null);

    private static Machines WithExchanges(Func<string, Actor> create) =>
        With(id => id.Kind == ActorRole.Exchange ? create($"silo-{id.Index + 1}") : null);

    private static Machines With(Func<ActorId, Actor?> create) =>
        Machines.Product with
        {
            Create = id => create(id) ?? DeterministicSimulator.Product(id),
        };
}
