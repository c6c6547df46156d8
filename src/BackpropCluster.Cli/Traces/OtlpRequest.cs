using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>An ExportTraceServiceRequest of OTLP: one line of a trace file.</summary>
internal sealed record OtlpRequest(IReadOnlyList<ResourceSpans> ResourceSpans)
{
    /// <summary>The spans, each with its resource and scope.</summary>
    public IEnumerable<TraceSpan> Spans() =>
        from ofResource in ResourceSpans
        from ofScope in ofResource.ScopeSpans ?? []
        from span in ofScope.Spans ?? []
        select span with
        {
            Resource = ofResource.Resource ?? TraceResource.None,
            Scope = ofScope.Scope?.Name ?? "",
        };
}

/// <summary>What one silo recorded.</summary>
internal sealed record ResourceSpans(TraceResource? Resource = null, IReadOnlyList<ScopeSpans>? ScopeSpans = null);

/// <summary>What one library recorded there.</summary>
internal sealed record ScopeSpans(TraceScope? Scope = null, IReadOnlyList<TraceSpan>? Spans = null);

/// <summary>A library that records spans.</summary>
internal sealed record TraceScope(string Name);
