using System.Collections.Immutable;
using System.Reflection;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using Orleans;

namespace BackpropCluster.Tests.Wire;

/// <summary>A run's fingerprint is that of its id and of all that decides its bits, and of nothing else: it stands in
/// every message and in every manifest, and two that differ are two runs.</summary>
public sealed class FingerprintTests
{
    // Where files lie decides nothing: what they hold is hashed by itself.
    private static readonly string[] Places =
    [
        "Data.Idx.Images",
        "Data.Idx.Labels",
        "Data.Idx.TestImages",
        "Data.Idx.TestLabels",
        "Data.Csv.File",
        "Model.Layers.Given.File",
    ];

    /// <summary>One that changes makes strangers of all saved runs: raise the format of records with it.</summary>
    [Fact]
    public void TheFingerprintsOfTwoRunsAreTheGoldenOnes() =>
        Assert.Equal(
            ("f05c569218f824aa", "ec24c9d987f76dd8"),
            (
                $"{Of(Runs.Mazur(10, UpdateOrder.AfterBackward)):x16}",
                $"{Of(Runs.Uneven(5, UpdateOrder.DuringBackward, microbatches: 2, epochs: 3)):x16}"
            )
        );

    [Fact]
    public void EachKeyThatDecidesBitsChangesItAndPathsDoNot()
    {
        var before = Of(WireSamples.Spec);
        var keys = new List<string>();
        foreach (var (key, changed) in Changes(WireSamples.Spec, ""))
        {
            keys.Add(key);
            var decides = !Places.Contains(key);
            Assert.True(
                Of((RunSpec)changed) != before == decides,
                $"{key} {(decides ? "does not change the fingerprint and" : "changes the fingerprint and no bit;")} "
                    + $"should{(decides ? "" : " not")}"
            );
        }

        Assert.Empty(Places.Except(keys));
        Assert.Contains("Optimizer.Schedule.Final", keys);
        Assert.Contains("Model.Layers.Given.Weights", keys);
    }

    [Fact]
    public void AnotherIdIsAnotherRun() =>
        Assert.NotEqual(Of(WireSamples.Spec), Of(WireSamples.Spec, run: "20261127-sample-9876543210"));

    private static ulong Of(RunSpec spec, string run = "20261127-sample-0123456789") =>
        Planner.Plan(run, spec, Granularity.Layer, Runs.BuiltIn(Runs.Mazur(1, UpdateOrder.AfterBackward))).Fingerprint;

    // The same once more with one number, word or switch changed, for each of them.
    private static IEnumerable<(string Key, object Changed)> Changes(object value, string key) =>
        value switch
        {
            bool b => [(key, !b)],
            int i => [(key, i + 1)],
            ulong u => [(key, u + 1)],
            double d => [(key, d + 0.125)],
            string s => [(key, s + "x")],
            Enum e => [(key, Enum.ToObject(e.GetType(), 0))],
            ImmutableArray<double> array => [(key, array.SetItem(0, array[0] + 1))],
            ImmutableArray<LayerSpec> layers => Changes(layers[0], key)
                .Select(change => (change.Key, (object)layers.SetItem(0, (LayerSpec)change.Changed))),
            _ => value
                .GetType()
                .GetProperties()
                .Where(property => property.IsDefined(typeof(IdAttribute)))
                .SelectMany(property =>
                    Changes(property.GetValue(value)!, $"{key}{(key.Length > 0 ? "." : "")}{property.Name}")
                        .Select(change => (change.Key, With(value, property, change.Changed)))
                ),
        };

    private static object With(object record, PropertyInfo property, object value)
    {
        var copy = record.GetType().GetMethod("<Clone>$")!.Invoke(record, [])!;
        property.SetValue(copy, value);
        return copy;
    }
}
