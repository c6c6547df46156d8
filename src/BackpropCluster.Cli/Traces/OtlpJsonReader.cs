using System.Globalization;
using System.Text.Json;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Traces;

/// <summary>Reads a file of OTLP/JSON requests, one a line, into spans.</summary>
internal static class OtlpJsonReader
{
    private const int BufferBytes = 64 * 1024;

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
                spans = SpansOf(line);
            }
            catch (OtlpFormatException e)
            {
                throw Broken(path, $"{number}", e.Message, number);
            }
            catch (JsonException e)
            {
                broken = Broken(path, $"{number}:{e.BytePositionInLine + 1}", "the line is no JSON", number);
            }

            foreach (var span in spans)
                yield return span;
        }

        if (broken is not null)
            warn(
                $"{path}:{number}: the last line is not whole, as after a crash or while a run is writing it; it is "
                    + $"left out, the lines before it are used."
            );
    }

    /// <summary>The spans of one request.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    /// <exception cref="OtlpFormatException">It is JSON, but no such request.</exception>
    public static List<TraceSpan> SpansOf(ReadOnlyMemory<byte> request)
    {
        try
        {
            return [.. JsonSerializer.Deserialize(request.Span, TraceJson.StrictRequest)!.Spans()];
        }
        catch (JsonException e)
        {
            // Read once more, as what it is: the error shows what stands there, and a torn line comes out as such.
            using var document = JsonDocument.Parse(request);
            throw Explained(e, document.RootElement);
        }
    }

    private static OtlpFormatException Explained(JsonException e, JsonElement request)
    {
        var violation = e as OtlpViolation;
        var path = $"{e.Path![1..]}.{violation?.At}".Trim('.');
        var where = path.Length > 0 ? path : "the line";
        // The serializer's own words for what its records demand: "… including: 'traceId', 'spanId'."
        var missing = e.Message.Split("required properties including: ");
        var what =
            violation?.What
            ?? (missing.Length > 1 ? $"has no {missing[1].Split('\'')[1]}" : null)
            ?? $"got {Excerpt.Bare(At(request, path).GetRawText())}, expected {OtlpRules.ExpectedAt(path)}";
        return new OtlpFormatException($"{where}: {what}");
    }

    /// <summary>What stands at a path like a[0].b, as far as there is something.</summary>
    private static JsonElement At(JsonElement request, string path)
    {
        foreach (var step in path.Split(['.', '[', ']'], StringSplitOptions.RemoveEmptyEntries))
            if (request.ValueKind == JsonValueKind.Object && request.TryGetProperty(step, out var field))
                request = field;
            else if (request.ValueKind == JsonValueKind.Array && int.Parse(step, CultureInfo.InvariantCulture) is var i)
                request = request[i];
        return request;
    }

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
            $"{path}:{at}: {what}. Nothing was written; the file is as it was. Delete line {number} to use the others, "
                + $"or train anew."
        );
}

/// <summary>A line of JSON that is no request of OTLP: where in it, what was got, and what was expected.</summary>
internal sealed class OtlpFormatException(string message) : Exception(message);
