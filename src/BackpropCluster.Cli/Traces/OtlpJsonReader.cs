using System.Globalization;
using System.Text.Json;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>Reads a file of OTLP/JSON requests, one a line, into spans.</summary>
internal static class OtlpJsonReader
{
    private const int BufferBytes = 64 * 1024;
    private static readonly JsonElement Nothing = JsonElement.Parse("[]");

    /// <summary>The spans of a file in the order of its lines, read as they are asked for. A process may be writing to
    /// it meanwhile.</summary>
    /// <param name="path">The file.</param>
    /// <param name="warn">Told about a last line that is not whole.</param>
    /// <exception cref="CommandFailedException">The file cannot be read, or a line that is not the last one is
    /// broken.</exception>
    public static IEnumerable<TraceSpan> Read(string path, Action<string> warn)
    {
        // A broken line may be the last one, torn by a crash or still being written. Which it is shows only when
        // another one follows.
        CommandFailedException? broken = null;
        var number = 0;
        foreach (var line in Lines(path))
        {
            number++;
            if (line.All(b => b is (byte)' ' or (byte)'\r' or (byte)'\t'))
                continue;
            if (broken is not null)
                throw broken;
            List<TraceSpan> spans = [];
            try
            {
                using var request = JsonDocument.Parse(line);
                if (OtlpJsonRules.Violations(request.RootElement) is [var violation, ..])
                    throw Broken(path, string.Create(CultureInfo.InvariantCulture, $"{number}"), violation, number);
                spans = SpansOf(request.RootElement);
            }
            catch (JsonException e)
            {
                broken = Broken(
                    path,
                    string.Create(CultureInfo.InvariantCulture, $"{number}:{e.BytePositionInLine + 1}"),
                    "the line is no JSON",
                    number
                );
            }

            foreach (var span in spans)
                yield return span;
        }

        if (broken is not null)
            warn(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{path}:{number}: the last line is not whole, as after a crash or while a run is writing it; "
                        + $"it is left out, the lines before it are used."
                )
            );
    }

    /// <summary>The spans of one request.</summary>
    /// <param name="request">One without violations of <see cref="OtlpJsonRules"/>.</param>
    public static List<TraceSpan> SpansOf(JsonElement request)
    {
        var spans = new List<TraceSpan>();
        foreach (var ofResource in Each(request, "resourceSpans"))
        {
            var resource = ofResource.TryGetProperty("resource", out var r)
                ? new TraceResource(AttributesOf(r))
                : TraceResource.None;
            foreach (var ofScope in Each(ofResource, "scopeSpans"))
            {
                var scope = ofScope.TryGetProperty("scope", out var s) ? s.GetProperty("name").GetString()! : "";
                spans.AddRange(Each(ofScope, "spans").Select(span => SpanOf(span, resource, scope)));
            }
        }

        return spans;
    }

    private static TraceSpan SpanOf(JsonElement span, TraceResource resource, string scope)
    {
        var status = span.TryGetProperty("status", out var s) ? s : default;
        return new TraceSpan
        {
            TraceId = span.GetProperty("traceId").GetString()!,
            SpanId = span.GetProperty("spanId").GetString()!,
            ParentSpanId =
                span.TryGetProperty("parentSpanId", out var parent) && !parent.ValueEquals("")
                    ? parent.GetString()
                    : null,
            Name = span.GetProperty("name").GetString()!,
            Kind = span.TryGetProperty("kind", out var kind)
                ? (TraceSpanKind)kind.GetInt32()
                : TraceSpanKind.Unspecified,
            StartUnixNano = Time(span, "startTimeUnixNano"),
            EndUnixNano = Time(span, "endTimeUnixNano"),
            Attributes = AttributesOf(span),
            Events =
            [
                .. Each(span, "events")
                    .Select(e => new TraceEvent(
                        Time(e, "timeUnixNano"),
                        e.GetProperty("name").GetString()!,
                        AttributesOf(e)
                    )),
            ],
            Links =
            [
                .. Each(span, "links")
                    .Select(l => new TraceLink(
                        l.GetProperty("traceId").GetString()!,
                        l.GetProperty("spanId").GetString()!,
                        AttributesOf(l)
                    )),
            ],
            Status =
                status.ValueKind == JsonValueKind.Object && status.TryGetProperty("code", out var code)
                    ? (TraceStatus)code.GetInt32()
                    : TraceStatus.Unset,
            StatusMessage =
                status.ValueKind == JsonValueKind.Object && status.TryGetProperty("message", out var message)
                    ? message.GetString()
                    : null,
            Resource = resource,
            Scope = scope,
        };
    }

    private static IReadOnlyList<TraceAttribute> AttributesOf(JsonElement owner) =>
        [
            .. Each(owner, "attributes")
                .Select(a => new TraceAttribute(a.GetProperty("key").GetString()!, ValueOf(a.GetProperty("value")))),
        ];

    private static TraceValue ValueOf(JsonElement value)
    {
        var field = value.EnumerateObject().First();
        return field.Name switch
        {
            "stringValue" => TraceValue.Of(field.Value.GetString()!),
            "intValue" => TraceValue.Of(long.Parse(field.Value.GetString()!, CultureInfo.InvariantCulture)),
            "doubleValue" => TraceValue.Of(PlainJson.TryReal(field.Value)!.Value),
            "boolValue" => TraceValue.Of(field.Value.GetBoolean()),
            _ => TraceValue.Of((IReadOnlyList<TraceValue>)[.. Each(field.Value, "values").Select(ValueOf)]),
        };
    }

    private static ulong Time(JsonElement owner, string name) =>
        ulong.Parse(owner.GetProperty(name).GetString()!, CultureInfo.InvariantCulture);

    private static JsonElement.ArrayEnumerator Each(JsonElement owner, string name) =>
        (owner.TryGetProperty(name, out var list) ? list : Nothing).EnumerateArray();

    // By bytes, since a torn line may end within a character.
    private static IEnumerable<byte[]> Lines(string path)
    {
        using var file = Open(path);
        using var line = new MemoryStream();
        var buffer = new byte[BufferBytes];
        int length;
        while ((length = file.Read(buffer)) > 0)
        {
            int from = 0,
                feed;
            while ((feed = Array.IndexOf(buffer, (byte)'\n', from, length - from)) >= 0)
            {
                line.Write(buffer, from, feed - from);
                yield return line.ToArray();
                line.SetLength(0);
                from = feed + 1;
            }

            line.Write(buffer, from, length - from);
        }

        if (line.Length > 0)
            yield return line.ToArray();
    }

    private static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException(
                ExitCode.File,
                $"{path} cannot be read: {e.Message} Nothing was written. Make the file readable."
            );
        }
    }

    private static CommandFailedException Broken(string path, string at, string what, int number) =>
        new(
            ExitCode.File,
            string.Create(
                CultureInfo.InvariantCulture,
                $"{path}:{at}: {what}. Nothing was written; the file is as it was. Delete line {number} to use the "
                    + $"others, or train anew."
            )
        );
}
