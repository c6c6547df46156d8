using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;
using BackpropCluster.Simulation.Exploration;

namespace BackpropCluster.Tests.Explorer;

/// <summary>The explorer can fail: each of these bugs, planted in machines of the tests and never in the product's, is caught.</summary>
public class PlantedBugTests
{
    private const int Seeds = 1000;

    private static readonly Dictionary<string, Machines> bugs = new()
    {
        ["no term check"] = With((id, data, store) => id.Kind switch
        {
            PartKind.Source => new WithoutTerms.Source(_ => data),
            PartKind.Loss => new WithoutTerms.Loss(_ => data),
            PartKind.Slice => new WithoutTerms.Slice(id, store.Open),
            _ => new WithoutTerms.Relay($"silo-{id.Index + 1}"),
        }),
        ["sum by arrival"] = WithSlices((id, store) => new SliceThatSumsByArrival(id, store.Open)),
        ["update before commit"] = WithSlices((id, store) => new SliceThatUpdatesBeforeTheCommit(id, store.Open)),
        ["applied twice"] = WithSlices((id, store) => new SliceThatUpdatesTwice(id, store.Open)),
        ["stale checkpoint chosen"] = Machines.Product with { Store = _ => new StoreThatChoosesAStaleCheckpoint() },
        ["position not saved"] = With((id, data, store) => id.Kind == PartKind.Source ? new SourceThatForgetsItsPosition(data) : null),
        ["randomness drawn, not addressed"] = With((id, data, store) => id.Kind == PartKind.Source ? new SourceThatDrawsItsOrder(data) : null),
        ["scores known for ever"] = Machines.Product with { Store = _ => new StoreThatKnowsItsBlocksForEver() },
        ["part file counted as whole"] = Machines.Product with { Store = _ => new StoreThatCountsEveryPartAsWhole() },
    };

    public static TheoryData<string> Bugs() => new(bugs.Keys);

    [Theory, MemberData(nameof(Bugs))]
    public void IsCaught(string bug)
    {
        var explorer = new BackpropCluster.Simulation.Exploration.Explorer(ReferenceTrainer.Train, bugs[bug]);
        Finding? finding = null;
        ulong seed = 0;
        while (finding is null && seed < Seeds) finding = explorer.Explore(seed++, new Tally());
        Assert.True(finding is not null, $"'{bug}' is not caught within {Seeds} seeds");
        TestContext.Current.TestOutputHelper!.WriteLine($"'{bug}' is caught by seed {seed - 1}, {finding.Faults.Length} faults:\n{finding}");

        // The short list replays by itself, also from its print, and with the product's own machines it ends well.
        var printed = Fault.Parse(string.Join(", ", finding.Faults));
        Assert.Equal(finding.Reason, explorer.Replay(finding.Scenario, finding.Seed, printed)!.Reason);
        Assert.Null(new BackpropCluster.Simulation.Exploration.Explorer(ReferenceTrainer.Train).Replay(finding.Scenario, finding.Seed, printed));
    }

    private static Machines WithSlices(Func<PartId, MemoryStore, PartState> create) =>
        With((id, data, store) => id.Kind == PartKind.Slice ? create(id, store) : null);

    private static Machines With(Func<PartId, Dataset, MemoryStore, PartState?> create) => Machines.Product with
    {
        Parts = (data, store) => id => create(id, data, store) ?? SeededCarrier.Parts(_ => data, store)(id),
    };
}
