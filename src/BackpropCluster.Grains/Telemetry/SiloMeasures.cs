using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Traffic by what was sent.</summary>
internal readonly record struct TrafficByKind(Traffic Activations, Traffic Deltas, Traffic Words)
{
    public Traffic Sum => Activations + Deltas + Words;

    public static TrafficByKind operator +(TrafficByKind a, TrafficByKind b) =>
        new(a.Activations + b.Activations, a.Deltas + b.Deltas, a.Words + b.Words);
}

/// <summary>What silos count anyway, read when somebody collects: nothing is added to the way of a message.</summary>
internal static class SiloMeasures
{
    private static readonly ConcurrentDictionary<Exchanges, byte> Silos = new();
    private static readonly Meter Meter = new(Metrics.MeterName);
    private static readonly Lock Gate = new();

    // of silos that have stopped: what is collected last, when they have, must not be zero
    private static TrafficByKind gone;

    static SiloMeasures()
    {
        Meter.CreateObservableCounter(
            Metrics.Messages,
            () =>
                ByKind()
                    .SelectMany(k =>
                        new[] { Measure(k.Traffic.Local, k.Kind, "local"), Measure(k.Traffic.Remote, k.Kind, "remote") }
                    ),
            "{message}",
            "Logical messages, by kind and reach"
        );
        Meter.CreateObservableCounter(
            Metrics.RemoteBytes,
            () => ByKind().Select(k => Measure(k.Traffic.RemoteBytes, k.Kind)),
            "By",
            "Bytes of arrays that crossed between silos, by kind"
        );
        Meter.CreateObservableCounter(
            Metrics.Crossings,
            () => ByKind().Select(k => Measure(k.Traffic.Crossings, k.Kind)),
            "{array}",
            "Arrays that crossed between silos, by kind"
        );
        Meter.CreateObservableGauge(
            Metrics.Actors,
            () => Silos.Keys.Sum(silo => silo.Actors.Values.Sum()),
            "{actor}",
            "Actors of runs on this process's silos"
        );
        Meter.CreateObservableGauge(
            Metrics.Silos,
            () => Silos.Keys.Select(silo => silo.Members).DefaultIfEmpty(0).Max(),
            "{silo}",
            "Members of the cluster, as this process's silos see it"
        );
    }

    public static void Add(Exchanges silo) => Silos.TryAdd(silo, 0);

    public static void Remove(Exchanges silo)
    {
        lock (Gate)
            if (Silos.TryRemove(silo, out _))
                gone += silo.Traffic;
    }

    private static IEnumerable<(string Kind, Traffic Traffic)> ByKind()
    {
        TrafficByKind sum;
        lock (Gate)
            sum = Silos.Keys.Aggregate(gone, (s, silo) => s + silo.Traffic);
        return [("activations", sum.Activations), ("deltas", sum.Deltas), ("control", sum.Words)];
    }

    private static Measurement<long> Measure(long value, string kind, string? reach = null) =>
        reach is null
            ? new(value, new KeyValuePair<string, object?>("kind", kind))
            : new(
                value,
                new KeyValuePair<string, object?>("kind", kind),
                new KeyValuePair<string, object?>("reach", reach)
            );
}
