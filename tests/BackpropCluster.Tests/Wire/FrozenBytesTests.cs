using System.Text;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Wire;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using Orleans.Serialization.Serializers;

namespace BackpropCluster.Tests.Wire;

/// <summary>The bytes of everything that crosses a process border or is stored do not change unnoticed: silos of one
/// version understand each other, and a store is read by the version that wrote it or refused.</summary>
/// <remarks>To append a member: give it an Id after all others and a value in <see cref="WireSamples"/>, run
/// <c>BACKPROP_WRITE_GOLDEN=1 dotnet test --project tests/BackpropCluster.Tests</c> once, and read the diff of
/// <c>bytes.txt</c>: each old value is the beginning of what becomes of it, but for lengths and the end marks. For
/// every other change raise the format in <see cref="StoredBytes"/> and the program's version first.</remarks>
public sealed class FrozenBytesTests : IDisposable
{
    private static readonly GoldenFile Golden = new(
        "bytes.txt",
        "What crosses a process border, by alias, and the records of a run, by name, as bytes: see FrozenBytesTests.\n"
            + $"Written by: {GoldenFile.Variable}=1 dotnet test --project tests/BackpropCluster.Tests"
    );

    // As a silo sets it up.
    private readonly ServiceProvider services = new ServiceCollection()
        .AddSerializer()
        .AddSingleton<IGeneralizedCodec, LibraryExceptionCodec>()
        .BuildServiceProvider();

    public static TheoryData<string> Names() => [.. WireTypes.All.Select(WireTypes.NameOf)];

    public void Dispose() => services.Dispose();

    [Fact]
    public async Task EveryTypeAndRecordHasItsGoldenBytesAndNoOtherHas()
    {
        foreach (var type in WireTypes.All)
            Assert.True(
                WireSamples.All.Any(sample => sample.GetType() == type),
                $"{type.FullName} can be serialised and has no golden bytes. Add one with every member set to "
                    + $"WireSamples.All, then run this test once with {GoldenFile.Variable}=1."
            );
        Assert.Equal(WireTypes.All.Count, WireTypes.All.Select(WireTypes.NameOf).Distinct().Count());
        var expected = await Everything();
        Golden.WriteIfAsked(expected.Select(e => (e.Name, Convert.ToHexStringLower(e.Bytes))));
        var golden = Golden.Read();
        foreach (var (name, _) in expected)
            Assert.True(
                golden.ContainsKey(name),
                $"'{name}' has no golden bytes. If it is new, run this test once with {GoldenFile.Variable}=1. If it "
                    + $"was renamed, keep the old alias or record name, or raise the format in StoredBytes."
            );
        foreach (var name in golden.Keys)
            Assert.True(
                expected.Any(e => e.Name == name),
                $"'{name}' has golden bytes and exists no more. Whoever still sends or stores it would be "
                    + $"misunderstood: keep it, or raise the format in StoredBytes, then run this test once with "
                    + $"{GoldenFile.Variable}=1."
            );
    }

    [Theory, MemberData(nameof(Names))]
    public void ATypesBytesAreTheGoldenOnesAndAreReadBackEqual(string name)
    {
        var sample = WireSamples.All.First(s => WireTypes.NameOf(s.GetType()) == name);
        var golden = GoldenBytes(name);
        AssertSame(golden, Write(sample), $"{sample.GetType().FullName} ('{name}')");
        Assert.Equal(WireTypes.Describe(sample), WireTypes.Describe(Read(sample.GetType(), golden)));
    }

    [Fact]
    public async Task ARunsRecordsAreTheGoldenOnes()
    {
        var run = await StoredRun.Save(services.GetRequiredService<Serializer>());
        foreach (var (name, bytes) in run.Records)
            AssertSame(GoldenBytes(NameOfRecord(name)), bytes, $"the record {name}");
    }

    [Theory, MemberData(nameof(Names))]
    public void EveryMemberOfASampleHasAValueOfItsOwn(string name)
    {
        var sample = WireSamples.All.First(s => WireTypes.NameOf(s.GetType()) == name);
        var seen = new Dictionary<(Type, string), string>();
        foreach (var (member, type, value) in WireTypes.MembersOf(sample))
        {
            var text = WireTypes.Describe(value);
            var unset = type.IsValueType ? WireTypes.Describe(Default(type)) : "null";
            Assert.False(
                text == unset || text is "\"\"" or "[]",
                $"{sample.GetType().Name}.{member} is {text} in WireSamples, as if it were not written. Set it."
            );
            // Of two values and few, some must be equal.
            if (type == typeof(bool) || type.IsEnum)
                continue;
            Assert.True(
                seen.TryAdd((type, text), member),
                $"{sample.GetType().Name}.{member} is {text}, as {seen.GetValueOrDefault((type, text))} is: were "
                    + $"they exchanged, no byte would change. Give each a value of its own."
            );
        }
    }

    /// <summary>Another build of the same sources, whatever its version and its commit, writes the same bytes: types
    /// go by their aliases.</summary>
    [Fact]
    public async Task NoNameOfAnAssemblyOrATypeIsInTheBytes()
    {
        foreach (var (name, bytes) in await Everything())
        foreach (var word in new[] { "BackpropCluster", "System.", "Version=", "PublicKeyToken", "Culture=" })
            Assert.False(
                Encoding.Latin1.GetString(bytes).Contains(word, StringComparison.Ordinal),
                $"the bytes of '{name}' hold the text '{word}': give the type an Alias"
            );
    }

    private static object? Default(Type type) =>
        // A default array of these throws where its items are listed.
        type.IsGenericType
            ? null
            : Activator.CreateInstance(type);

    private static string NameOfRecord(string name) => $"record {name}";

    private async Task<List<(string Name, byte[] Bytes)>> Everything()
    {
        var run = await StoredRun.Save(services.GetRequiredService<Serializer>());
        return
        [
            .. WireTypes.All.Select(type =>
                (WireTypes.NameOf(type), Write(WireSamples.All.First(s => s.GetType() == type)))
            ),
            .. run.Records.Select(record => (NameOfRecord(record.Key), record.Value)),
        ];
    }

    // As an object, which writes its alias too, as a message is written where any message may stand. A payload never
    // stands for anything else.
    private byte[] Write(object sample)
    {
        var serializer = services.GetRequiredService<Serializer>();
        return sample is Payload payload
            ? serializer.SerializeToArray(payload)
            : serializer.SerializeToArray<object>(sample);
    }

    private object? Read(Type type, byte[] bytes)
    {
        var serializer = services.GetRequiredService<Serializer>();
        return type == typeof(Payload) ? serializer.Deserialize<Payload>(bytes) : serializer.Deserialize<object>(bytes);
    }

    private static byte[] GoldenBytes(string name)
    {
        Assert.True(Golden.Read().TryGetValue(name, out var hex), $"'{name}' has no golden bytes");
        return Convert.FromHexString(hex!);
    }

    private static void AssertSame(byte[] golden, byte[] bytes, string what)
    {
        var at = golden.AsSpan().CommonPrefixLength(bytes);
        Assert.True(
            at == golden.Length && at == bytes.Length,
            $"{what} has other bytes than before, from byte {at} on: {At(bytes)}, expected {At(golden)} "
                + $"({bytes.Length} bytes, expected {golden.Length}). A silo or a store of this version would be "
                + $"misread. If a member was appended under a new Id, run the tests once with "
                + $"{GoldenFile.Variable}=1 and commit bytes.txt. If one was changed, moved or removed, undo that, or "
                + $"raise the format in StoredBytes and the Version in Directory.Build.props first."
        );

        string At(byte[] of) => at < of.Length ? $"{of[at]:x2}" : "the end";
    }
}
