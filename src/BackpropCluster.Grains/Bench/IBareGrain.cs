using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;

namespace BackpropCluster.Grains.Bench;

/// <summary>A grain that computes nothing: the runtime's own rate for a training step's messages.</summary>
/// <remarks>Key <c>{bench}/{layer}/{index}/{silo}</c>. Layer 0 has one grain, the driver: it stands for coordinator,
/// Source and Loss.</remarks>
[Alias("backprop.bare")]
public interface IBareGrain : IGrainWithStringKey
{
    /// <summary>Learns the layers' sizes; the driver is layer 0.</summary>
    [Alias("Prepare")]
    ValueTask Prepare(string bench, int[] layers, string[] silos);

    /// <summary>For the driver: carries out so many rounds, one after the other, and answers when the last message has
    /// arrived.</summary>
    [Alias("Run")]
    Task Run(int rounds);

    /// <summary>One round begins: send as a shard would, forward and backward.</summary>
    [OneWay, Alias("Begin")]
    void Begin(Activations message);

    /// <summary>The handler that is measured: counts, so that the end can be known, and nothing else.</summary>
    [OneWay, Alias("Take")]
    void Take(Activations message);

    /// <summary>For the driver: one grain has got all messages of the round.</summary>
    [OneWay, Alias("Done")]
    void Done();

    /// <summary>Answers with what it got.</summary>
    [Alias("Echo")]
    ValueTask<Payload> Echo(Payload payload);

    /// <summary>Seconds that a payload takes to another grain and back; the median of some turns.</summary>
    [Alias("TimeEcho")]
    Task<double> TimeEcho(IBareGrain other, Payload payload, int turns);
}
