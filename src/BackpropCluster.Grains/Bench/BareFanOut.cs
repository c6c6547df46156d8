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
        for (var l = 1; l < layers.Length; l++) MessagesPerRound += 2L * layers[l - 1] * layers[l];
    }

    public long MessagesPerRound { get; }

    /// <summary>Makes one grain per unit.</summary>
    public static async Task<BareFanOut> Create(IGrainFactory grains, string bench, params int[] layers)
    {
        var driver = grains.GetGrain<IBareGrain>($"{bench}/0/0");
        await driver.Prepare(bench, layers);
        for (var l = 1; l <= layers.Length; l++)
            for (var i = 0; i < layers[l - 1]; i++)
                await grains.GetGrain<IBareGrain>(string.Create(CultureInfo.InvariantCulture, $"{bench}/{l}/{i}")).Prepare(bench, layers);
        return new BareFanOut(driver, layers);
    }

    /// <summary>Messages per second over some rounds.</summary>
    public async Task<double> Measure(int rounds)
    {
        var start = Stopwatch.GetTimestamp();
        await driver.Run(rounds);
        return rounds * MessagesPerRound / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
