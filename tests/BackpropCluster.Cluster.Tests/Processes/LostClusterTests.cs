using BackpropCluster.Cli.RunFiles;
using BackpropCluster.ClusterTests.Reliability;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>Clients and silos that lose what they talk to: they go on when it is back, or end with one
/// sentence.</summary>
public sealed class LostClusterTests : IDisposable
{
    private const string SavesOften = "training.checkpoint_every=100";
    private static readonly TimeSpan DeadBound = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AskBound = TimeSpan.FromSeconds(2);
    private readonly Backprop backprop = new();

    public void Dispose() => backprop.Dispose();

    [Fact]
    public async Task AClientGoesOnWhenAllSilosWereKilledAndStartedAgain()
    {
        RedisServer.Need();
        await using var redis = await RedisServer.Start();
        string[] sets = ["training.epochs=1200", SavesOften, "cluster.silos=1"];
        var file = RunFileLoader.Load(ProcessRuns.Write(backprop.Folder), sets);
        await using var client = await KilledInTheMiddle(backprop.Folder, redis.Url(), sets);
        await client.Says("no silo answers; looking for one");

        await using var again = await SiloProcess.Start(redis.Url(), "again", backprop.Folder);
        await client.Says("a silo answers again");
        var ended = await client.Ends();
        Assert.Equal(ProcessRuns.Reference(file).WeightsSha256, ended.Json.GetProperty("weightsSha256").GetString());
    }

    [Fact]
    public async Task AClientFindsTheFirstSiloOfALocalClusterAgainWhereverItListens()
    {
        var url = $"localhost:{RedisServer.FreePort()}";
        string[] sets = ["training.epochs=1200", SavesOften, "cluster.silos=1"];
        var file = RunFileLoader.Load(ProcessRuns.Write(backprop.Folder), sets);
        await using var client = await KilledInTheMiddle(backprop.Folder, url, sets);
        await using var again = await SiloProcess.Start(url, "again", backprop.Folder);
        var ended = await client.Ends();
        Assert.Equal(ProcessRuns.Reference(file).WeightsSha256, ended.Json.GetProperty("weightsSha256").GetString());
    }

    [Fact]
    public async Task AClientWhoseSilosStayAwayEndsWithOneSentenceAndSoDoesOneThatIsInterruptedMeanwhile()
    {
        var url = $"localhost:{RedisServer.FreePort()}";
        await using var client = await KilledInTheMiddle(
            backprop.Folder,
            url,
            [.. EndlessRun.Sets, SavesOften, "cluster.silos=1"],
            "--wait",
            "4s"
        );
        await client.Says("no silo answers; looking for one that does for up to 4 s");
        var ended = await client.Ends();
        Assert.Equal((4, ""), (ended.ExitCode, ended.Output));
        Assert.Matches(
            @"\nbackprop: run \S+: no silo answers, for 4 s now\. What was saved is kept\. .*train --resume \S+\.\n$",
            ended.Talk
        );

        // Silos of the same folder would go on with the first run.
        using var elsewhere = new Backprop();
        await using var other = await KilledInTheMiddle(
            elsewhere.Folder,
            $"localhost:{RedisServer.FreePort()}",
            [.. EndlessRun.Sets, SavesOften, "cluster.silos=1"]
        );
        await other.Says("no silo answers; looking for one that does for up to 120 s");
        other.Signal("INT");
        var interrupted = await other.Ends();
        Assert.Equal((130, ""), (interrupted.ExitCode, interrupted.Output));
        Assert.Matches(
            @"\nbackprop: interrupted while no silo answered: .*Go on with: backprop train --resume \S+ --cluster localhost:\d+\n$",
            interrupted.Talk
        );
    }

    [Fact]
    public async Task ASiloThatWasDeclaredDeadWhileItSleptEndsWithOneSentence()
    {
        RedisServer.Need();
        await using var redis = await RedisServer.Start();
        await using var awake = await SiloProcess.Start(redis.Url(), "awake", backprop.Folder);
        await using var asleep = await SiloProcess.Start(redis.Url(), "asleep", backprop.Folder);
        await using var client = await ClusterClient.Connect(
            SharedCluster.AddressOf(redis.Url()),
            TestContext.Current.CancellationToken
        );
        await client.WaitForSilos(2, TestContext.Current.CancellationToken);

        asleep.Process.Signal("STOP");
        var left = 2;
        // By the membership: one that only does not answer would go on when it wakes.
        var cluster = client.Grains.GetGrain<IClusterGrain>(0);
        Assert.True(
            await Faults.ComesAbout(async () => (left = await Members()) == 1, DeadBound),
            $"{DeadBound.TotalSeconds} s after one was frozen there are {left} silos"
        );
        asleep.Process.Signal("CONT");

        // A question that goes by way of the one that sleeps is not answered; the next goes another way.
        async Task<int> Members()
        {
            var asked = cluster.Members().AsTask();
            await ((Task)asked).WaitAsync(AskBound).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return asked.IsCompletedSuccessfully ? (await asked).Length : left;
        }

        var ended = await asleep.Process.Ends();
        Assert.Equal(4, ended.ExitCode);
        Assert.Matches(
            @"\nbackprop: silo asleep was declared dead by awake while it did not answer\. Its runs go on without it\. Start it again\.\n$",
            ended.Talk
        );
        Assert.DoesNotContain("   at ", ended.Talk, StringComparison.Ordinal);

        await using var again = await SiloProcess.Start(redis.Url(), "asleep", backprop.Folder);
        Assert.Equal(2, (await client.WaitForSilos(2, TestContext.Current.CancellationToken)).Count);
    }

    [Fact]
    public async Task ASiloWhoseStoreGoesWhileItStartsEndsWithOneSentence()
    {
        RedisServer.Need();
        await using var redis = await RedisServer.Start();
        await using var proxy = new RedisProxy(redis.Port);
        // The table of members is the first thing that a silo asks for; from then on nobody answers there.
        proxy.CutOffAt("backprop/members");
        var ended = await Faults.EndsWithin(
            Child.Backprop(backprop.Folder, "silo", "--cluster", redis.Url(port: proxy.Port)),
            TimeSpan.FromSeconds(120)
        );
        Assert.True(proxy.HasCut, $"the proxy saw nobody ask for the members: {ended.Talk}");
        Assert.Equal(4, ended.ExitCode);
        var said = ended.Talk.TrimEnd('\n').Split('\n')[^1];
        Assert.Matches(
            @"^backprop: redis://127\.0\.0\.1:\d+ does not answer any more \(.*\)\. The silo was not started\. ",
            said
        );
    }

    /// <summary>Where [::1] stands for a style of a terminal, a client ends before it has begun.</summary>
    [Fact]
    public async Task AnAddressWithBracketsIsPrintedAsItIs()
    {
        RedisServer.Need();
        await using var redis = await RedisServer.Start("::1");
        var url = redis.Url().Replace("127.0.0.1", "[::1]", StringComparison.Ordinal);
        await using var silo = await SiloProcess.Start(url, "alone", backprop.Folder);
        ProcessRuns.Write(backprop.Folder);
        var trained = await backprop.Run("train", "seven.yaml", "--set", "cluster.silos=1", "--cluster", url);
        Assert.True(trained.ExitCode == 0, trained.Talk);
        Assert.Contains($"1 silos of redis://[::1]:{redis.Port}", trained.Talk, StringComparison.Ordinal);
    }

    [Fact]
    public async Task APlaceInTheTemporaryFolderThatIsTakenIsNamed()
    {
        // A silo's place stays when it is gone, and another test's port may be free again.
        var (port, place) = (0, "");
        while (place.Length == 0 || Path.Exists(place))
        {
            port = RedisServer.FreePort();
            place = Path.Combine(Path.GetTempPath(), $"backprop-{Environment.UserName}-localhost-{port}.first");
        }

        // A folder stands for another user's file here: neither can be written, even by root.
        var taken = Directory.CreateDirectory(place);
        try
        {
            Mistake.Assert(
                await backprop.Run("silo", "--cluster", $"localhost:{port}"),
                4,
                $"the first silo of localhost:{port} cannot claim its place: ",
                taken.FullName,
                "Nothing was started."
            );
        }
        finally
        {
            taken.Delete();
        }
    }

    private static async Task<Child> KilledInTheMiddle(string folder, string url, string[] sets, params string[] more)
    {
        await using var silo = await SiloProcess.Start(url, "first", folder);
        ProcessRuns.Write(folder);
        var client = Child.Backprop(
            folder,
            [
                "train",
                "seven.yaml",
                "--cluster",
                url,
                "--json",
                .. sets.SelectMany(set => new[] { "--set", set }),
                .. more,
            ]
        );
        await silo.Process.Says("is saved at step 100");
        await silo.Process.Kill();
        return client;
    }
}
