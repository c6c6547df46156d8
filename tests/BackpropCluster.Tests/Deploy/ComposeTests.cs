using System.Globalization;

namespace BackpropCluster.Tests.Deploy;

/// <summary>docker-compose.yml: closed containers, a fabric of their own, each waiting for the one that it
/// needs.</summary>
public sealed class ComposeTests
{
    public static TheoryData<string> Ours() => ["redis", "silo", "train"];

    public static TheoryData<string> All() => [.. DeployFiles.Compose.Keys("services")];

    [Theory, MemberData(nameof(All))]
    public void EachServiceIsClosed(string name)
    {
        var service = DeployFiles.Service(name);
        Assert.Equal("true", service.Text("read_only"));
        Assert.Equal(["ALL"], service.Texts("cap_drop"));
        Assert.Equal(["no-new-privileges:true"], service.Texts("security_opt"));
        Assert.NotEqual(0, int.Parse(service.Text("user").Split(':')[0], CultureInfo.InvariantCulture));
        foreach (var key in new[] { "privileged", "cap_add", "network_mode", "pid", "ipc", "devices", "userns_mode" })
            Assert.True(service.Find(key) is null, $"{name} has {key}");
        // A limit on each: one container may not take the host down.
        Assert.Equal(["cpus", "memory", "pids"], service.Keys("deploy", "resources", "limits"));
    }

    [Theory, MemberData(nameof(Ours))]
    public void NoServiceIsReachableFromOutside(string name)
    {
        Assert.Null(DeployFiles.Service(name).Find("ports"));
        Assert.Equal(["fabric"], DeployFiles.Service(name).Texts("networks"));
        Assert.Equal("true", DeployFiles.Compose.Text("networks", "fabric", "internal"));
    }

    [Theory, MemberData(nameof(Ours))]
    public void NoHostFolderIsMounted(string name)
    {
        foreach (var volume in DeployFiles.Service(name).Texts("volumes"))
            Assert.Contains(volume.Split(':')[0], DeployFiles.Compose.Keys("volumes"));
    }

    [Theory, InlineData("silo"), InlineData("train")]
    public void TheProgramRunsAsTheImagesUserWithAFolderForCrashReports(string name)
    {
        var service = DeployFiles.Service(name);
        Assert.Equal("1654:1654", service.Text("user"));
        Assert.StartsWith("/tmp:", Assert.Single(service.Texts("tmpfs")), StringComparison.Ordinal);
        Assert.Equal("deploy/Dockerfile", service.Text("build", "dockerfile"));
    }

    [Fact]
    public void SilosCanBeManyAndStartOnceTheStoreAnswers()
    {
        var silo = DeployFiles.Service("silo");
        Assert.Null(silo.Find("container_name"));
        Assert.Null(silo.Find("hostname"));
        Assert.Equal("service_healthy", silo.Text("depends_on", "redis", "condition"));
        Assert.Equal("unless-stopped", silo.Text("restart"));
    }

    [Fact]
    public void EachHealthCheckAsksTheServiceItself()
    {
        Assert.Equal(
            ["CMD", "bash", "/app/health.sh", "8080"],
            DeployFiles.Service("silo").Texts("healthcheck", "test")
        );
        Assert.Equal(["CMD", "redis-cli", "-e", "ping"], DeployFiles.Service("redis").Texts("healthcheck", "test"));
    }

    [Fact]
    public void OneTrainingIsOneTraining()
    {
        var train = DeployFiles.Service("train");
        Assert.Equal("no", train.Text("restart"));
        Assert.Equal("service_healthy", train.Text("depends_on", "silo", "condition"));
        Assert.Equal("true", train.Text("healthcheck", "disable"));
        Assert.Equal(["runs:/runs"], train.Texts("volumes"));
        Assert.Equal("/runs", DeployFiles.After("--run-dir", train.Texts("entrypoint")));
    }

    [Theory, InlineData("silo"), InlineData("train")]
    public void AStopLeavesTimeToGiveAwayAndToSave(string name) =>
        Assert.InRange(
            int.Parse(DeployFiles.Service(name).Text("stop_grace_period").TrimEnd('s'), CultureInfo.InvariantCulture),
            40,
            300
        );

    [Fact]
    public void AsManySilosStartAsTheTrainingAsksFor()
    {
        var file = Assert.Single(
            Yaml.Read(DeployFiles.PathOf(Assert.Single(DeployFiles.Service("train").Texts("command"))))
        );
        Assert.Equal(file.Text("cluster", "silos"), DeployFiles.Service("silo").Text("deploy", "replicas"));
    }

    [Fact]
    public void TheStoreKeepsWhatItAnswered() =>
        Store.Keeps(
            DeployFiles.Service("redis").Texts("command"),
            DeployFiles.Service("redis").Texts("volumes").Select(v => v.Split(':')[1])
        );
}
