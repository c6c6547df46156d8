using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace BackpropCluster.Cli.Traces;

/// <summary>The JSON of traces: requests of OTLP, which are read, and what the commands print.</summary>
[
    JsonSerializable(typeof(OtlpRequest)),
    JsonSerializable(typeof(TraceReport)),
    JsonSerializable(typeof(PerfettoFile)),
    JsonSourceGenerationOptions(
        PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true
    )
]
internal sealed partial class TraceJson : JsonSerializerContext
{
    /// <summary>A request that keeps to <see cref="OtlpRules"/>.</summary>
    public static JsonTypeInfo<OtlpRequest> StrictRequest =>
        field ??=
            (JsonTypeInfo<OtlpRequest>)
                new JsonSerializerOptions(Default.Options)
                {
                    TypeInfoResolver = Default.WithAddedModifier(OtlpRules.Apply),
                }.GetTypeInfo(typeof(OtlpRequest));

    /// <summary>Writes letters of every script as they are.</summary>
    public static TraceJson Readable =>
        field ??= new(
            new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }
        );
}
