using System.Net;
using System.Net.Sockets;
using BackpropCluster.Cli;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>What can be wrong with a cluster is one clear error, at once, and nothing is left behind.</summary>
[Collection(SharedCluster.Name)]
public sealed class ClusterMistakeTests : IDisposable
{
    private readonly SharedCluster cluster;
    private readonly Backprop backprop = new();

    public ClusterMistakeTests(SharedCluster cluster)
    {
        RedisServer.Need();
        this.cluster = cluster;
    }

    public void Dispose() => backprop.Dispose();

    [Theory, InlineData("--silo-port"), InlineData("--gateway-port"), InlineData("--http-port")]
    public async Task APortThatIsTakenIsNamed(string option)
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        await Each(
            [
                ["silo", "--cluster", cluster.Url, option, $"{port}"],
            ],
            4,
            $"port {port} on 127.0.0.1 cannot be used: ",
            "Nothing was started.",
            $"choose another {option}."
        );
        Assert.Equal(3, (await cluster.Client.Silos(TestContext.Current.CancellationToken)).Count);
    }

    [Fact]
    public async Task AnUnknownRunIsSaid()
    {
        var shown = cluster.Redis.Shown();
        await Task.WhenAll(
            Each(
                [
                    ["train", "--resume", "nosuch", "--cluster", cluster.Url],
                ],
                2,
                $"there is no run nosuch in {shown}. Nothing was started. See: backprop runs list --cluster {shown}"
            ),
            Each(
                [
                    ["runs", "show", "nosuch", "--cluster", cluster.Url],
                    ["runs", "cancel", "nosuch", "--cluster", cluster.Url],
                ],
                2,
                $"there is no run nosuch in {shown}. Nothing was changed."
            ),
            Each(
                [
                    ["train", "--resume", "../nosuch", "--cluster", cluster.Url],
                ],
                2,
                "'../nosuch' is not a run's id"
            )
        );
    }

    [Fact]
    public async Task AnAddressOnThisMachineWithoutASiloIsSaid()
    {
        var nowhere = $"localhost:{RedisServer.FreePort()}";
        ProcessRuns.Write(cluster.Folder, name: "nowhere");
        await Each(
            [
                ["train", Path.Combine(cluster.Folder, "nowhere.yaml"), "--cluster", nowhere],
                ["cluster", "status", "--cluster", nowhere],
            ],
            4,
            $"no silo has been started at {nowhere}. Nothing was started. Start one with: backprop silo --cluster "
                + $"{nowhere}"
        );
    }

    [Theory]
    [InlineData("redis://")]
    [InlineData("redis://host:port")]
    [InlineData("redis://user:S3cretWord@host:6379")]
    [InlineData("redis://:S3cretWord@host:6379/one")]
    [InlineData("redis://:S3cret Word@host:99999")]
    [InlineData("rediss://:S3cretWord@host:6379")]
    [InlineData("http://:S3cretWord@host:6379")]
    [InlineData(":S3cretWord@host:6379")]
    [InlineData("localhost")]
    [InlineData("localhost:")]
    [InlineData("localhost:0")]
    [InlineData("localhost:65536")]
    [InlineData("localhost:-1")]
    [InlineData("S3cretWord")]
    [InlineData("")]
    public void AnAddressThatIsNoneIsNotPrinted(string address)
    {
        foreach (var command in Mistake.CommandsOf(address))
        {
            var errors = string.Join(' ', Program.Root().Parse(command).Errors.Select(e => e.Message));
            Assert.Equal(
                "--cluster got no address of a cluster, expected redis://[:password@]host:port[/db] or localhost:PORT.",
                errors
            );
        }
    }

    [Fact]
    public async Task AnAddressThatIsNoneEndsTheProgramAsAnyMisuse() =>
        await Each(
            [
                ["silo", "--cluster", "redis://user:S3cretWord@host:6379"],
            ],
            2,
            "--cluster got no address of a cluster",
            "Nothing was started. See: backprop silo --help"
        );

    [Fact]
    public async Task ASiloWithoutAStoreDoesNotListenBeyondItsMachine() =>
        await Each(
            [
                ["silo", "--cluster", "localhost:11111", "--listen", "0.0.0.0"],
            ],
            2,
            "--listen 0.0.0.0 needs a cluster with Redis: silos of localhost:11111 are on one machine. Nothing was "
                + "started."
        );

    [Fact]
    public async Task ASiloOfAnotherVersionIsRefusedAndBothAreNamed()
    {
        var options = new ClusterSiloOptions
        {
            Cluster = SharedCluster.AddressOf(cluster.Url),
            Name = "odd",
            Version = "9.9.9-other",
        };
        var refused = await Assert.ThrowsAsync<ClusterUnreachableException>(() =>
            ClusterSilo.Start(options, TestContext.Current.CancellationToken)
        );
        Assert.Matches("^silo silo-[0-9]+ of this cluster runs version ", refused.Message);
        foreach (
            var version in new[]
            {
                $"version {ClusterSilo.ProgramVersion},",
                "this program is 9.9.9-other. Nothing was started.",
            }
        )
            Assert.Contains(version, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(await cluster.Client.Silos(TestContext.Current.CancellationToken), s => s.Name == "odd");
    }

    [Fact]
    public async Task AClientOfAnotherVersionIsToldWhichSiloIsOfWhich()
    {
        var url = $"localhost:{RedisServer.FreePort()}";
        var options = new ClusterSiloOptions
        {
            Cluster = SharedCluster.AddressOf(url),
            Name = "odd",
            Version = "9.9.9-other",
            RunDirectory = Path.Combine(cluster.Folder, "odd"),
        };
        await using var silo = await ClusterSilo.Start(options, TestContext.Current.CancellationToken);
        ProcessRuns.Write(cluster.Folder, name: "odd");
        await Each(
            [
                ["train", Path.Combine(cluster.Folder, "odd.yaml"), "--set", "cluster.silos=1", "--cluster", url],
            ],
            4,
            $"silo odd of {url} runs version 9.9.9-other, this program is {ClusterSilo.ProgramVersion}. Nothing was "
                + "started. Use one version for silos and clients."
        );
    }

    [Fact]
    public async Task ARunOfAnotherVersionIsRefusedByEachSilo()
    {
        var file = RunFileLoader.Load(ProcessRuns.Write(cluster.Folder), null);
        var plan = ProcessRuns.Plan(file) with { Version = "9.9.9-other" };
        var refused = await Assert.ThrowsAsync<SiloRefusedException>(() =>
            ProcessRuns.TrainToTheReference(cluster.Client.Grains, file, plan: plan)
        );
        foreach (var silo in cluster.Silos)
            Assert.Contains(
                $"silo {silo.Name} runs version {ClusterSilo.ProgramVersion}, the run was begun by 9.9.9-other",
                refused.Message,
                StringComparison.Ordinal
            );
    }

    private async Task Each(string[][] commands, int exitCode, params string[] says)
    {
        await Mistake.AssertEach(backprop, commands, exitCode, says);
        Assert.Empty(backprop.LeftBehind);
    }
}
