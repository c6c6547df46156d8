using System.Security.Cryptography;
using System.Text.Json;
using BackpropCluster.ClusterTests.Processes;

namespace BackpropCluster.ClusterTests.Deploy;

/// <summary>The deployment's files, run: their own commands, users, environments, volumes and health checks, in
/// sandboxes in the place of containers.</summary>
public sealed class FabricTests
{
    private static readonly string[] Longer = ["--set", "training.epochs=300"];

    public static TheoryData<string> Files() => [Role.ComposeFile, Role.KubernetesFolder];

    [Theory, MemberData(nameof(Files)), Trait("length", "long")]
    public async Task TheFilesOwnCommandsMakeAClusterThatTrainsAndStops(string file)
    {
        RequiresLongTests.Need();
        await Fabric.Need();
        await using var app = new PublishedApp();
        await app.InitializeAsync();
        // Compose's file has a password; Kubernetes' secret is made by whoever deploys.
        var password = file == Role.ComposeFile ? null : RandomNumberGenerator.GetHexString(48, lowercase: true);
        await using var fabric = await Fabric.Start(file, app.Folder, password);

        var redis = await Healthy(await fabric.Join("redis"));
        foreach (var wrong in new[] { "REDISCLI_AUTH=wrong", "REDISCLI_AUTH=" })
            Assert.Equal(1, (await redis.Run(["env", wrong, .. redis.Role.Probes[0].Command])).ExitCode);
        var silos = await Silos(fabric);
        Assert.Equal(3, silos.Count);
        var hash = await WeightsOf(await fabric.Join("train"), fabric);
        Assert.Equal(await WeightsWithoutACluster(), hash);
        if (file == Role.ComposeFile)
            foreach (var command in EntryCommands.RunsInReadme)
                await WeightsOf(await fabric.Join("train", command), fabric);

        Assert.Equal(
            await WeightsWithoutACluster(Longer),
            await WeightsOfWhichLoses(silos[0], await fabric.Join("train"), fabric)
        );
        Assert.NotNull(await silos[0].Complaint());
        foreach (var silo in silos[1..])
            Assert.Null(await silo.Complaint());
        foreach (var silo in silos[1..])
            await Stops(silo);
        await Stops(redis);
        Assert.NotNull(await redis.Complaint());
        NobodySays(password ?? DeployFiles.After("--requirepass", redis.Role.Command), fabric);
    }

    /// <summary>Without this, the test above could be passed by a sandbox with holes.</summary>
    [Theory, MemberData(nameof(Files)), Trait("length", "long")]
    public async Task ASandboxIsAsClosedAsTheFilesSay(string file)
    {
        RequiresLongTests.Need();
        await Fabric.Need();
        // Any folder that everybody may read does for /app.
        await using var fabric = await Fabric.Start(file, Fabric.DotNet, "0123456789abcdef");
        await fabric.Join("redis");
        var train = await fabric.Join("train");
        Assert.Equal("uid=1654 gid=1654 groups=1654", (await train.Run("id")).Output.Trim());
        var status = (await train.Run("cat", "/proc/self/status")).Output;
        foreach (
            var line in new[]
            {
                "CapPrm:\t0000000000000000",
                "CapEff:\t0000000000000000",
                "CapBnd:\t0000000000000000",
                "NoNewPrivs:\t1",
            }
        )
            Assert.Contains(line, status, StringComparison.Ordinal);
        foreach (var path in new[] { "/app/new", "/new", "/etc/new", "/usr/new" })
            Assert.Contains("Read-only file system", (await train.Run("touch", path)).Talk, StringComparison.Ordinal);
        // The sandbox's own: a volume, and a folder in memory that is gone with it.
        foreach (var path in new[] { "/runs/new", "/tmp/new" })
        {
            var touched = await train.Run("touch", path);
            Assert.True(touched.ExitCode == 0, $"{path} cannot be written: {touched.Talk}");
        }
        Assert.Equal(0, (await train.Run("getent", "hosts", "redis")).ExitCode);
        // Who would show metrics and traces is not there.
        foreach (var name in new[] { "prometheus", "jaeger", "example.com" })
            Assert.Equal(2, (await train.Run("getent", "hosts", name)).ExitCode);
        Assert.DoesNotContain("default", (await train.Run("ip", "route")).Output, StringComparison.Ordinal);
    }

    private static async Task<Container> Healthy(Container container)
    {
        Assert.NotNull(await container.Complaint());
        container.Start();
        await container.BecomesHealthy();
        return container;
    }

    // All at once, as an engine starts them.
    private static async Task<List<Container>> Silos(Fabric fabric)
    {
        List<Container> silos = [await fabric.Join("silo")];
        while (silos.Count < silos[0].Role.Replicas)
            silos.Add(await fabric.Join("silo"));
        foreach (var silo in silos)
            Assert.NotNull(await silo.Complaint());
        foreach (var silo in silos)
            silo.Start();
        foreach (var silo in silos)
            await silo.BecomesHealthy();
        foreach (var silo in silos)
            await silo.Process.Says("is a member of redis://redis:6379 (");
        return silos;
    }

    private static async Task<string> WeightsOf(Container train, Fabric fabric)
    {
        var before = Directory.GetDirectories(fabric.Volume("runs"));
        train.Start();
        return await WeightsAtTheEnd(train, fabric, before);
    }

    // A training that lasts long enough for one of its silos to be stopped meanwhile.
    private static async Task<string> WeightsOfWhichLoses(Container silo, Container train, Fabric fabric)
    {
        var before = Directory.GetDirectories(fabric.Volume("runs"));
        train.Start(Longer);
        await train.Process.Says("step ");
        await Stops(silo);
        Assert.True(train.Process.IsRunning, $"the training was over before the silo: {train.Process.Diagnostics}");
        var weights = await WeightsAtTheEnd(train, fabric, before);
        // It gave its parts away, and nothing was lost.
        Assert.Contains("recoveries 0,", train.Process.Output, StringComparison.Ordinal);
        return weights;
    }

    private static async Task<string> WeightsAtTheEnd(Container train, Fabric fabric, string[] before)
    {
        var ended = await train.Process.Ends();
        Assert.True(ended.ExitCode == 0, $"exit code {ended.ExitCode}: {ended.Output}{ended.Talk}");
        var run = Assert.Single(Directory.GetDirectories(fabric.Volume("runs")).Except(before));
        using var summary = JsonDocument.Parse(
            await File.ReadAllTextAsync(Path.Combine(run, "summary.json"), TestContext.Current.CancellationToken)
        );
        return summary.RootElement.GetProperty("weightsSha256").GetString()!;
    }

    private static async Task<string> WeightsWithoutACluster(params string[] more)
    {
        using var backprop = new Backprop();
        var ended = await backprop.Run([
            "train",
            DeployFiles.PathOf(Assert.Single(DeployFiles.Service("train").Texts("command"))),
            "--json",
            .. more,
        ]);
        return ended.Json.GetProperty("weightsSha256").GetString()!;
    }

    private static async Task Stops(Container container)
    {
        var ended = await container.Stop();
        Assert.True(ended.ExitCode == 0, $"exit code {ended.ExitCode}: {ended.Output}{ended.Talk}");
        Assert.True(
            ended.Took < container.Role.Grace / 2,
            $"ended after {ended.Took.TotalSeconds:F1} s of {container.Role.Grace.TotalSeconds}"
        );
    }

    private static void NobodySays(string password, Fabric fabric)
    {
        Assert.DoesNotContain(password, fabric.Said, StringComparison.Ordinal);
        var files = Directory.GetFiles(fabric.Volume("runs"), "*", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (var path in files)
            Assert.DoesNotContain(password, File.ReadAllText(path), StringComparison.Ordinal);
    }
}
