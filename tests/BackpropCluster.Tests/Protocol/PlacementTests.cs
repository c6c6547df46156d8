using System.Collections.Immutable;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;
using CsCheck;

namespace BackpropCluster.Tests.Protocol;

public class PlacementTests
{
    private static readonly Gen<RunPlan> Plans = Gen.Select(Gen.Int[1, 40].Array[1, 4], Gen.Int[1, 20], Gen.Int[1, 30])
        .Select((layers, units, features) => Plan(layers, units, features));

    private static readonly Gen<ImmutableArray<string>> Silos = Gen.Int[1, 6]
        .Select(n => Enumerable.Range(0, n).Select(i => $"silo-{i}").ToImmutableArray());

    [Fact]
    public void NoSiloHasMoreThanOnePartAboveAnother() =>
        Gen.Select(Plans, Silos)
            .Sample(
                (plan, silos) =>
                {
                    var load = Load(plan, Placement.Of(plan, silos));
                    return load.Max() - load.Min() <= plan.Actors.Max(plan.MultiplyAddsOf);
                }
            );

    [Fact]
    public void EveryPartHasASiloAndTheSameInputsGiveTheSamePlacement() =>
        Gen.Select(Plans, Silos)
            .Sample(
                (plan, silos) =>
                {
                    var (first, second) = (Placement.Of(plan, silos), Placement.Of(plan, silos));
                    return first.SiloOfPart.Length == plan.ActorCount
                        && first.SiloOfPart.All(s => s >= 0 && s < silos.Length)
                        && first.SiloOfPart.SequenceEqual(second.SiloOfPart);
                }
            );

    [Fact]
    public void APartStaysWhereItsSiloIsStillAMember() =>
        Gen.Select(Plans, Silos, Gen.Int[0, 5], Gen.Bool)
            .Sample(
                (plan, silos, lost, joins) =>
                {
                    var before = Placement.Of(plan, silos);
                    ImmutableArray<string> members =
                    [
                        .. silos.Where((_, i) => i != lost).Reverse(),
                        .. joins || silos.Length == 1 ? ["new"] : Array.Empty<string>(),
                    ];
                    var after = Placement.Of(plan, members, before);
                    return Enumerable
                        .Range(0, plan.ActorCount)
                        .All(p =>
                            members.Contains(after.SiloOf(p))
                            && (after.SiloOf(p) == before.SiloOf(p) || !members.Contains(before.SiloOf(p)))
                        );
                }
            );

    [Fact]
    public void TheFirstNamedSiloIsTheCoordinators() =>
        Assert.Equal("b", Placement.Of(Plan([3], 1, 2), ["b", "a"]).CoordinatorSilo);

    private static long[] Load(RunPlan plan, Placement placement)
    {
        var load = new long[placement.Silos.Length];
        foreach (var (ordinal, part) in plan.Actors.Index())
            load[placement.SiloOfPart[ordinal]] += plan.MultiplyAddsOf(part);
        return load;
    }

    private static RunPlan Plan(int[] layers, int unitsPerShard, int features) =>
        new()
        {
            Run = "test-placement",
            Fingerprint = 1,
            Spec = Runs.Uneven(1) with
            {
                Model = new ModelSpec
                {
                    Layers = [.. layers.Select(units => Runs.Layer(units, Core.Learning.Activation.Tanh))],
                    Loss = Core.Learning.LossKind.HalfSquaredError,
                },
            },
            Granularity = new(unitsPerShard),
            Features = features,
            TrainingRows = 10,
            TestRows = 0,
            HasClasses = false,
        };
}
