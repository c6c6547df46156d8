using System.Diagnostics;
using System.Globalization;

namespace BackpropCluster.Grains.Bench;

/// <summary>The bare runtime doing a training step's fan-out: the baseline of <c>bench messages</c>.</summary>
public sealed class BareFanOut
{
    private readonly IBareGrain driver;

    private BareFanOut(IBareGrain driver, int[] layers)
    {
        this.driver = driver;
        MessagesPerRound = 2 * layers.Sum();
        for (var l = 1; l < layers.Length; l++)
            MessagesPerRound += 2L * layers[l - 1] * layers[l];
    }

    public long MessagesPerRound { get; }

    /// <summary>Makes one grain per unit, the same share of each layer on each silo.</summary>
    public static async Task<BareFanOut> Create(IGrainFactory grains, string bench, string[] silos, params int[] layers)
    {
        for (var l = 0; l <= layers.Length; l++)
        for (var i = 0; i < (l == 0 ? 1 : layers[l - 1]); i++)
            await Grain(grains, bench, l, i, layers, silos).Prepare(bench, layers, silos);
        return new BareFanOut(Grain(grains, bench, 0, 0, layers, silos), layers);
    }

    internal static IBareGrain Grain(
        IGrainFactory grains,
        string bench,
        int layer,
        int index,
        int[] layers,
        string[] silos
    )
    {
        var silo = layer == 0 ? silos[0] : silos[index * silos.Length / layers[layer - 1]];
        return grains.GetGrain<IBareGrain>(
            string.Create(CultureInfo.InvariantCulture, $"{bench}/{layer}/{index}/{silo}")
        );
    }

    /// <summary>Messages per second over some rounds.</summary>
    public async Task<double> Measure(int rounds)
    {
        var start = Stopwatch.GetTimestamp();
        await driver.Run(rounds);
        return rounds * MessagesPerRound / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
