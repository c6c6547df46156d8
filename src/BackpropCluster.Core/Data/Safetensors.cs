using System.Buffers.Binary;
using System.Collections.Immutable;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace BackpropCluster.Core.Data;

/// <summary>An array with a name.</summary>
/// <param name="Name">For example <c>layers.0.weight</c>.</param>
/// <param name="Shape">Sizes, the slowest-running first; their product is the number of values.</param>
/// <param name="Values">Row-major.</param>
public sealed record Tensor(string Name, ImmutableArray<long> Shape, double[] Values);

/// <summary>Where in a file a tensor lies.</summary>
/// <param name="Name">For example <c>layers.0.weight</c>.</param>
/// <param name="Shape">Sizes, the slowest-running first.</param>
/// <param name="Begin">Of its first byte, from the file's beginning.</param>
/// <param name="End">Behind its last byte.</param>
public sealed record TensorPlace(string Name, ImmutableArray<long> Shape, long Begin, long End);

/// <summary>Writes and reads safetensors files of 64-bit floating-point numbers.</summary>
/// <remarks>8 bytes: the header's length, little-endian; the header, a JSON object that gives each tensor its type,
/// shape and place; the values, little-endian, end to end (the format's description by Hugging Face). A file comes from
/// anywhere: what its header says is compared with itself and with the file's length before anything is allocated for
/// it, and no byte of the file may stay unexplained.</remarks>
public static class Safetensors
{
    /// <summary>The longest header that is read: 1 MiB, some ten thousand tensors.</summary>
    public const int MaxHeaderBytes = 1 << 20;

    private const int AlignmentBytes = 8;

    // Bytes are counted in 31 bits: values of two gibibytes cannot be looked at as bytes all at once.
    private const int ChunkValues = 1 << 20;
    private const string Metadata = "__metadata__";
    private const string Cure = "Export the file again.";

    /// <summary>Writes tensors in their order.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="tensors">Names must differ.</param>
    /// <param name="metadata">Free text for readers.</param>
    public static void Write(
        Stream stream,
        IReadOnlyList<Tensor> tensors,
        IReadOnlyDictionary<string, string>? metadata = null
    )
    {
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(Metadata);
                foreach (var (key, value) in metadata)
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            WriteEntries(json, tensors);
            json.WriteEndObject();
        }

        // Blanks to the next multiple of eight: a reader may then map the values as numbers where they stand.
        while (header.Length % AlignmentBytes != 0)
            header.WriteByte((byte)' ');
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        stream.Write(length);
        header.WriteTo(stream);
        foreach (var (_, _, values) in tensors)
            for (ReadOnlySpan<double> rest = values; rest.Length > 0; rest = rest[Math.Min(ChunkValues, rest.Length)..])
                stream.Write(MemoryMarshal.AsBytes(rest[..Math.Min(ChunkValues, rest.Length)]));
    }

    /// <summary>Reads a file of F64 tensors.</summary>
    /// <param name="name">For errors.</param>
    /// <param name="stream">From its beginning; must know its length.</param>
    /// <returns>The tensors, in the order of their values.</returns>
    /// <exception cref="DataException">The file is not what it should be.</exception>
    public static IReadOnlyList<Tensor> Read(string name, Stream stream) =>
        [.. ReadHeader(name, stream).Select(place => ReadValues(stream, place))];

    /// <summary>Which tensors a file of F64 tensors holds, without their values: who needs certain shapes looks at them
    /// before values cost memory.</summary>
    /// <param name="name">For errors.</param>
    /// <param name="stream">From its beginning; must know its length. Stands at the first value afterwards.</param>
    /// <returns>In the order of their values, which fill the rest of the file.</returns>
    /// <exception cref="DataException">The file is not what it should be.</exception>
    public static IReadOnlyList<TensorPlace> ReadHeader(string name, Stream stream)
    {
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        if (stream.ReadAtLeast(length, length.Length, throwOnEndOfStream: false) < length.Length)
            throw new DataException(name, $"{stream.Length} bytes are too few for a safetensors file", Cure);
        var headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(length);
        if (headerBytes is < 2 or > MaxHeaderBytes)
            throw new DataException(
                name,
                $"a header of {headerBytes} bytes is announced, expected 2 to {MaxHeaderBytes}",
                Cure
            );
        if (headerBytes > (ulong)(stream.Length - length.Length))
            throw new DataException(
                name,
                $"a header of {headerBytes} bytes is announced, but only {stream.Length - length.Length} follow",
                Cure
            );
        var header = new byte[headerBytes];
        stream.ReadExactly(header);
        return Places(name, header, length.Length + (long)headerBytes, stream.Length);
    }

    /// <summary>Reads one tensor's values.</summary>
    /// <param name="stream">The file that the place is from; can seek.</param>
    /// <param name="place">As <see cref="ReadHeader"/> gave it.</param>
    /// <exception cref="EndOfStreamException">The file has become shorter since.</exception>
    public static Tensor ReadValues(Stream stream, TensorPlace place)
    {
        var values = new double[(place.End - place.Begin) / sizeof(double)];
        stream.Position = place.Begin;
        for (var rest = values.AsSpan(); rest.Length > 0; rest = rest[Math.Min(ChunkValues, rest.Length)..])
            stream.ReadExactly(MemoryMarshal.AsBytes(rest[..Math.Min(ChunkValues, rest.Length)]));
        return new Tensor(place.Name, place.Shape, values);
    }

    private static void WriteEntries(Utf8JsonWriter json, IReadOnlyList<Tensor> tensors)
    {
        var begin = 0L;
        foreach (var (name, shape, values) in tensors)
        {
            if (shape.Aggregate(1L, (product, size) => product * size) != values.Length)
                throw new ArgumentException(
                    $"tensor {name}: {values.Length} values of shape [{string.Join(", ", shape)}]",
                    nameof(tensors)
                );
            json.WriteStartObject(name);
            json.WriteString("dtype", "F64");
            json.WriteStartArray("shape");
            foreach (var size in shape)
                json.WriteNumberValue(size);
            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(begin);
            json.WriteNumberValue(begin += (long)values.Length * sizeof(double));
            json.WriteEndArray();
            json.WriteEndObject();
        }
    }

    /// <summary>The tensors that a header announces, by place: end to end from its own end to the end of the
    /// file.</summary>
    private static List<TensorPlace> Places(string name, byte[] header, long first, long fileBytes)
    {
        if (header[0] != (byte)'{')
            throw new DataException(name, "the header does not begin with '{'", Cure);
        var places = new List<TensorPlace>();
        try
        {
            using var json = JsonDocument.Parse(
                new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(header),
                new JsonDocumentOptions { MaxDepth = 4, AllowDuplicateProperties = false }
            );
            foreach (var entry in json.RootElement.EnumerateObject())
            {
                if (entry.Name == Metadata)
                    CheckMetadata(name, entry.Value);
                else
                    places.Add(PlaceOf(name, entry.Name, entry.Value));
            }
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new DataException(name, $"the header is not sound JSON: {e.Message}", Cure);
        }

        places.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        var end = 0L;
        foreach (var place in places)
        {
            if (place.Begin != end)
                throw new DataException(
                    name,
                    $"tensor '{Shown(place.Name)}' begins at byte {place.Begin}, "
                        + $"{(place.Begin < end ? "inside of" : "with a hole after")} the one before, which ends at "
                        + $"{end}",
                    Cure
                );
            end = place.End;
        }

        if (end != fileBytes - first)
            throw new DataException(
                name,
                $"the tensors take {end} bytes, the file has {fileBytes - first} for them",
                Cure
            );
        return places.ConvertAll(place => place with { Begin = first + place.Begin, End = first + place.End });
    }

    private static TensorPlace PlaceOf(string name, string tensor, JsonElement entry)
    {
        DataException Wrong(string what) => new(name, $"tensor '{Shown(tensor)}': {what}", Cure);
        if (
            entry.ValueKind != JsonValueKind.Object
            || entry.EnumerateObject().Any(p => p.Name is not ("dtype" or "shape" or "data_offsets"))
            || !entry.TryGetProperty("dtype", out var type)
            || !entry.TryGetProperty("shape", out var sizes)
            || !entry.TryGetProperty("data_offsets", out var offsets)
        )
            throw Wrong("expected dtype, shape and data_offsets, and nothing else");
        if (type.ValueKind != JsonValueKind.String || type.GetString() != "F64")
            throw new DataException(
                name,
                $"tensor '{Shown(tensor)}' is of type {Shown(type.ToString())}, expected F64",
                "Convert it to 64-bit floating-point numbers."
            );
        var shape = Numbers(sizes) ?? throw Wrong("the shape is not a list of whole numbers from 0");
        if (Numbers(offsets) is not [var begin, var end] || begin > end)
            throw Wrong("data_offsets are not two whole numbers in order");

        // Not a plain product: 2³² × 2³² wraps round to 0, and 0 values would fit any file.
        var count = shape.Aggregate((Int128)1, (product, size) => product > long.MaxValue ? product : product * size);
        if (count * sizeof(double) != end - begin)
            throw Wrong($"{end - begin} bytes for shape [{string.Join(", ", shape)}]");
        return end - begin <= (long)Array.MaxLength * sizeof(double)
            ? new TensorPlace(tensor, shape, begin, end)
            : throw Wrong($"{end - begin} bytes are more than one array can hold");
    }

    private static ImmutableArray<long>? Numbers(JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array)
            return null;
        var numbers = ImmutableArray.CreateBuilder<long>();
        foreach (var item in list.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out var number) || number < 0)
                return null;
            numbers.Add(number);
        }

        return numbers.ToImmutable();
    }

    private static void CheckMetadata(string name, JsonElement metadata)
    {
        if (
            metadata.ValueKind != JsonValueKind.Object
            || metadata.EnumerateObject().Any(p => p.Value.ValueKind != JsonValueKind.String)
        )
            throw new DataException(name, "the metadata are not an object of texts", Cure);
    }

    // A name comes from the file and goes to a terminal: letters of control stay out, and so does its length.
    private static string Shown(string text) => string.Concat(text.Take(60).Select(c => char.IsControl(c) ? '?' : c));
}
