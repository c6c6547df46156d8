using BackpropCluster.Grains.Actors;

namespace BackpropCluster.Tests.Reliability;

/// <summary>Bad files at the real commands: one clear error with its exit code, at once, in little memory, and nothing
/// is written.</summary>
[Collection(nameof(SerialTests))]
public sealed class BadFileTests
{
    [Fact]
    public async Task EachIsRefusedAtOnceAndInLittleMemory()
    {
        // What the first call costs is the program's start, not the file's.
        await BadFiles.All().First().Refused();
        var faults = new List<string>();
        var kinds = new SortedDictionary<string, int>();
        foreach (var bad in BadFiles.All())
        {
            if (await bad.Refused() is { Length: > 0 } fault)
            {
                faults.Add($"{Shown(bad.Name)}: {Shown(fault)}");
                TestContext.Current.TestOutputHelper!.WriteLine(faults[^1]);
            }

            var kind = bad.Name.Split(':')[0];
            kinds[kind] = kinds.GetValueOrDefault(kind) + 1;
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{kinds.Values.Sum()} bad files: {string.Join(", ", kinds.Select(k => $"{k.Key} {k.Value}"))}"
        );
        Assert.True(faults.Count == 0, string.Join('\n', faults));
        Assert.True(kinds.Values.Sum() >= 150, $"only {kinds.Values.Sum()} cases");
    }

    private static string Shown(string text) => string.Concat(text.Take(400).Select(c => char.IsControl(c) ? ' ' : c));
}

/// <summary>Tests that use what the process has only once: its standard streams and its memory.</summary>
[CollectionDefinition(nameof(SerialTests), DisableParallelization = true)]
public sealed class SerialTests;
