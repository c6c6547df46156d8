using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using BackpropCluster.ClusterTests.Processes;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Clustering;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace BackpropCluster.ClusterTests;

/// <summary>A run folder, a folder of runs or a Redis of the version before is refused with one clear error, and not
/// a byte there changes.</summary>
public sealed class OtherVersionTests(SavedRuns runs) : IClassFixture<SavedRuns>, IDisposable
{
    private const int SealBytes = 32;
    private const int Database = 3;
    private const string Before =
        "which backprop 0.1 wrote; this program is backprop 0.2 and reads format 3. Nothing was started, and nothing "
        + "there was changed. Use backprop 0.1 there, or ";

    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task ARunFolderOfTheVersionBeforeIsRefusedByEveryCommandAndStaysAsItIs()
    {
        var run = (await backprop.Run("train", Path.Combine(Backprop.Root, "examples", "xor.yaml"), "--json"))
            .Json.GetProperty("run")
            .GetString()!;
        var folder = Path.Combine(backprop.Folder, "runs", run);
        var manifest = Path.Combine(folder, "manifest.json");
        var text = await File.ReadAllTextAsync(manifest, TestContext.Current.CancellationToken);
        var older = text.Replace("\"format\":3", "\"format\":2", StringComparison.Ordinal)
            .Replace(ClusterSilo.ProgramVersion, "0.1.0+ec9391c", StringComparison.Ordinal);
        Assert.Equal(text.Length - ClusterSilo.ProgramVersion.Length + "0.1.0+ec9391c".Length, older.Length);
        await File.WriteAllTextAsync(manifest, older, TestContext.Current.CancellationToken);
        await WriteInFormat(2, folder);
        var before = FilesOf(backprop.Folder);

        await Mistake.AssertEach(
            backprop,
            [
                ["train", "--resume", run],
                ["train", "--resume", run, "--set", "training.epochs=9000"],
                ["runs", "show", run],
                ["checkpoint", "list", run],
                ["checkpoint", "verify", run],
                ["checkpoint", "export", run, "--to", "x.safetensors"],
            ],
            6,
            $"runs/{run}/manifest.json: the run folder is of format 2, made by backprop 0.1.0; this program, backprop "
                + $"{ClusterSilo.ReleaseOf(ClusterSilo.ProgramVersion)}, reads format 3. Nothing was started, and "
                + $"nothing in it was changed. Use backprop 0.1.0 for it, or train anew: backprop train runs/{run}/"
                + $"run.yaml"
        );
        AssertEqual(before, FilesOf(backprop.Folder));
        // What the error says can be done.
        Assert.Equal(0, (await backprop.Run("train", $"runs/{run}/run.yaml", "--json")).ExitCode);
    }

    [Fact]
    public async Task ASiloIsNotStartedOnAFolderOfRunsOfTheVersionBefore()
    {
        var url = $"localhost:{RedisServer.FreePort()}";
        await using (var silo = await SiloProcess.Start(url, "first", backprop.Folder))
        {
            await backprop.Run(
                "train",
                ProcessRuns.Write(backprop.Folder),
                "--set",
                "cluster.silos=1",
                "--cluster",
                url
            );
            Assert.Equal(0, (await silo.Leave()).ExitCode);
        }

        await WriteInFormat(2, backprop.Folder);
        var before = FilesOf(backprop.Folder);
        Assert.Contains("runs/.cluster/runs", before.Keys);
        Mistake.Assert(
            await backprop.Run("silo", "--cluster", url),
            6,
            $"the folder runs holds records of format 2, {Before}choose another --run-dir."
        );
        AssertEqual(before, FilesOf(backprop.Folder));
    }

    [Fact]
    public async Task ASiloIsNotStartedOnARedisOfTheVersionBefore()
    {
        RedisServer.Need();
        await using var redis = await RedisServer.Start();
        await using (var silo = await SiloProcess.Start(redis.Url(Database), "first", backprop.Folder))
        {
            var trained = await backprop.Run(
                "train",
                ProcessRuns.Write(backprop.Folder),
                "--set",
                "cluster.silos=1",
                "--cluster",
                redis.Url(Database)
            );
            Assert.True(trained.ExitCode == 0, trained.Talk);
            Assert.Equal(0, (await silo.Leave()).ExitCode);
        }

        await using var connection = await SharedCluster
            .AddressOf(redis.Url(Database))
            .Connect(TestContext.Current.CancellationToken);
        var records = await RecordsOf(connection, Database);
        Assert.True(records.Count > 5, $"only {records.Count} records were found");
        foreach (var (key, bytes) in records)
            await connection.GetDatabase(Database).HashSetAsync(key, "data", InFormat(2, bytes));
        var before = await DumpOf(connection, Database);

        Mistake.Assert(
            await backprop.Run("silo", "--cluster", redis.Url(Database)),
            6,
            $"{redis.Shown(Database)} holds records of format 2, {Before}name another database of it, such as "
                + $"{redis.Shown(Database + 1)}."
        );
        var asked = await backprop.Run("doctor", "--cluster", redis.Url(Database));
        Assert.Equal(6, asked.ExitCode);
        Assert.Contains($"{redis.Shown(Database)} holds records of format 2", asked.Output, StringComparison.Ordinal);
        AssertEqual(before, await DumpOf(connection, Database));
        // What the error says can be done.
        await using var another = await SiloProcess.Start(redis.Url(Database + 1), "another", backprop.Folder);
    }

    [Fact]
    public async Task AStoreOfTheVersionBeforeIsNeitherLedNorListedNorEntered()
    {
        var files = runs.Files.ToDictionary(f => f.Key, f => InFormat(2, f.Value));
        var storage = new InMemoryGrainStorage(files);
        var refused = await Assert.ThrowsAsync<RecordFormatException>(() => runs.Store(storage).Lead(runs.Plan));
        Assert.Equal(2, refused.Found);
        Assert.Contains($"the store holds records of format 2, {Before}", refused.Message, StringComparison.Ordinal);
        AssertEqual(files, storage.Records);

        var shelf = new InMemoryGrainStorage(ImmutableDictionary<string, byte[]>.Empty);
        var run = new RunRecord(runs.Plan, TimeSpan.FromSeconds(10), "", RunStatus.Training, null, 0);
        await new RunCatalog(runs.Records(shelf), shelf, NullLogger<RunCatalog>.Instance).Enter(run);
        files = shelf.Records.ToDictionary(f => f.Key, f => InFormat(2, f.Value));
        // A list that is broken besides must not be made anew without the runs that cannot be read.
        foreach (var list in new[] { files[RunCatalog.Index], [1, 2, 3] })
        {
            files[RunCatalog.Index] = list;
            storage = new InMemoryGrainStorage(files);
            var catalog = new RunCatalog(runs.Records(storage), storage, NullLogger<RunCatalog>.Instance);
            await Assert.ThrowsAsync<RecordFormatException>(() => catalog.Runs());
            await Assert.ThrowsAsync<RecordFormatException>(() => catalog.Find(runs.Plan.Run));
            await Assert.ThrowsAsync<RecordFormatException>(() => catalog.Enter(run));
            AssertEqual(files, storage.Records);
        }
    }

    // Every format has the same frame: six letters, two digits, the payload, and SHA-256 over all that.
    private static byte[] InFormat(int format, byte[] record)
    {
        Assert.True(IsRecord(record), "no sealed record");
        byte[] other = [.. record];
        Encoding.ASCII.GetBytes(format.ToString("00", CultureInfo.InvariantCulture)).CopyTo(other, 6);
        SHA256.HashData(other.AsSpan(0, other.Length - SealBytes), other.AsSpan(other.Length - SealBytes));
        return other;
    }

    private static async Task WriteInFormat(int format, string folder)
    {
        foreach (var (name, bytes) in FilesOf(folder).Where(file => IsRecord(file.Value)))
            await File.WriteAllBytesAsync(
                Path.Combine(folder, name),
                InFormat(format, bytes),
                TestContext.Current.CancellationToken
            );
    }

    private static bool IsRecord(byte[] bytes) => bytes.AsSpan().StartsWith("BPCREC03"u8);

    /// <summary>Contents by paths.</summary>
    private static Dictionary<string, byte[]> FilesOf(string folder) =>
        Directory
            .EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .ToDictionary(path => Path.GetRelativePath(folder, path), File.ReadAllBytes);

    private static void AssertEqual(
        IReadOnlyDictionary<string, byte[]> expected,
        IReadOnlyDictionary<string, byte[]> actual
    )
    {
        Assert.NotEmpty(expected);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), actual.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(actual[name]), $"{name} was changed");
    }

    private static async Task<Dictionary<string, byte[]>> RecordsOf(IConnectionMultiplexer redis, int database)
    {
        var records = new Dictionary<string, byte[]>();
        await foreach (var key in redis.GetServers()[0].KeysAsync(database, "*/state/*"))
            records.Add(key!, (await redis.GetDatabase(database).HashGetAsync(key, "data"))!);
        return records;
    }

    /// <summary>Everything in a database, the list of members too.</summary>
    private static async Task<Dictionary<string, byte[]>> DumpOf(IConnectionMultiplexer redis, int database)
    {
        var all = new Dictionary<string, byte[]>();
        await foreach (var key in redis.GetServers()[0].KeysAsync(database))
            all.Add(key!, (await redis.GetDatabase(database).KeyDumpAsync(key))!);
        return all;
    }
}
