using System.Diagnostics;
using OpenTelemetry.Trace;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Orleans' own spans, two for each call between grains, on demand: those of a traced step stand below its
/// root, and no others are recorded.</summary>
/// <remarks>What they are for is the runtime, not the step: one may end after the root does, since Orleans closes it
/// when the call is over, and <c>trace.max_spans</c> does not count them. Calls carry their context only where silos
/// were started to do so, since the filters for it cost two calls in five even when nobody listens.</remarks>
internal readonly struct OrleansSpans : IDisposable
{
    /// <summary>The names of Orleans' sources.</summary>
    public const string Sources = "Microsoft.Orleans.*";

    private readonly Activity? before;
    private readonly bool isSet;

    private OrleansSpans(Activity? before) => (this.before, isSet) = (before, true);

    /// <summary>What samples a root that is a step's and nothing else, and of other spans those with a sampled
    /// parent.</summary>
    public static Sampler Sampler { get; } = new ParentBasedSampler(new StepsOnly());

    /// <summary>Until it is disposed of, calls are told below this root; below none where the step is not traced.
    /// Without this they would be told in the step whose last message caused them.</summary>
    public static OrleansSpans Below(Activity? root)
    {
        var below = new OrleansSpans(Activity.Current);
        Activity.Current = root;
        return below;
    }

    public void Dispose()
    {
        if (isSet)
            Activity.Current = before;
    }

    private sealed class StepsOnly : Sampler
    {
        public override SamplingResult ShouldSample(in SamplingParameters samplingParameters) =>
            new(
                samplingParameters.Name == TraceWords.TrainStep
                    ? SamplingDecision.RecordAndSample
                    : SamplingDecision.Drop
            );
    }
}
