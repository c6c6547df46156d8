using YamlDotNet.RepresentationModel;

namespace BackpropCluster.Tests.Deploy;

/// <summary>deploy/kubernetes: every key that security, health or a clean stop depends on.</summary>
public sealed class KubernetesTests
{
    public static TheoryData<string> Workloads() => [.. DeployFiles.Workloads.Select(o => o.Text("metadata", "name"))];

    [Fact]
    public void EveryFileIsNamedOnceAndExists()
    {
        Assert.Equal(2, DeployFiles.Kustomizations.Count);
        var named = DeployFiles.Kustomizations.SelectMany(DeployFiles.Resources).Order(StringComparer.Ordinal);
        var there = Directory
            .GetFiles(DeployFiles.PathOf("deploy/kubernetes"), "*.yaml", SearchOption.AllDirectories)
            .Where(path => Path.GetFileName(path) != "kustomization.yaml")
            .Order(StringComparer.Ordinal);
        Assert.Equal(there, named);
    }

    [Fact]
    public void EverythingLivesInOneNamespaceThatRefusesPrivilegedPods()
    {
        foreach (var folder in DeployFiles.Kustomizations)
            Assert.Equal(
                "backprop",
                Assert.Single(Yaml.Read(Path.Combine(folder, "kustomization.yaml"))).Text("namespace")
            );
        Assert.Equal(
            "restricted",
            DeployFiles.Object("Namespace", "backprop").Text("metadata", "labels", "pod-security.kubernetes.io/enforce")
        );
    }

    [Fact]
    public void ThereAreSilosAStoreAndATraining() =>
        Assert.Equal(
            ["redis", "silo", "train"],
            DeployFiles.Workloads.Select(o => o.Text("metadata", "name")).Order(StringComparer.Ordinal)
        );

    [Theory, MemberData(nameof(Workloads))]
    public void EachPodIsClosed(string name)
    {
        var pod = Pod(name);
        Assert.Equal("false", pod.Text("automountServiceAccountToken"));
        Assert.Equal("true", pod.Text("securityContext", "runAsNonRoot"));
        Assert.NotEqual(0, pod.Number("securityContext", "runAsUser"));
        Assert.Equal("RuntimeDefault", pod.Text("securityContext", "seccompProfile", "type"));
        foreach (var key in new[] { "hostNetwork", "hostPID", "hostIPC", "initContainers" })
            Assert.True(pod.Find(key) is null, $"{name} has {key}");
        var container = DeployFiles.Container(Workload(name));
        Assert.Equal("false", container.Text("securityContext", "allowPrivilegeEscalation"));
        Assert.Equal("true", container.Text("securityContext", "readOnlyRootFilesystem"));
        Assert.Equal(["ALL"], container.Texts("securityContext", "capabilities", "drop"));
        Assert.Null(container.Find("securityContext", "capabilities", "add"));
        Assert.Null(container.Find("securityContext", "privileged"));
        Assert.All(container.Items("ports"), port => Assert.Null(port.Find("hostPort")));
        Assert.All(pod.Items("volumes"), volume => Assert.Null(volume.Find("hostPath")));
    }

    [Theory, MemberData(nameof(Workloads))]
    public void EachPodHasRequestsAndLimits(string name)
    {
        var container = DeployFiles.Container(Workload(name));
        Assert.Equal(["cpu", "memory"], container.Keys("resources", "requests"));
        Assert.Equal(["cpu", "memory"], container.Keys("resources", "limits"));
    }

    [Theory, MemberData(nameof(Workloads))]
    public void EachMountHasItsVolumeAndTheProgramAFolderForCrashReports(string name)
    {
        var workload = Workload(name);
        var volumes = Pod(name)
            .Items("volumes")
            .Select(v => v.Text("name"))
            .Concat(workload.Items("spec", "volumeClaimTemplates").Select(v => v.Text("metadata", "name")))
            .ToList();
        var mounts = DeployFiles.Container(workload).Items("volumeMounts");
        Assert.Equal(
            volumes.Order(StringComparer.Ordinal),
            mounts.Select(m => m.Text("name")).Order(StringComparer.Ordinal)
        );
        if (name != "redis")
            Assert.Contains(mounts, m => m.Text("mountPath") == "/tmp");
    }

    [Theory, InlineData("silo"), InlineData("train")]
    public void TheProgramRunsAsTheImagesUserAndHasTimeToStop(string name)
    {
        Assert.Equal(1654, Pod(name).Number("securityContext", "runAsUser"));
        Assert.InRange(Pod(name).Number("terminationGracePeriodSeconds"), 40, 300);
    }

    [Fact]
    public void ASiloIsNamedAndReachedAsItsPod()
    {
        var silo = DeployFiles.Container(Workload("silo"));
        Assert.Equal("metadata.name", Variable(silo, "POD_NAME").Text("valueFrom", "fieldRef", "fieldPath"));
        Assert.Equal("status.podIP", Variable(silo, "POD_IP").Text("valueFrom", "fieldRef", "fieldPath"));
        Assert.Equal("$(POD_NAME)", DeployFiles.After("--name", silo.Texts("args")));
        Assert.Equal("$(POD_IP)", DeployFiles.After("--listen", silo.Texts("args")));
    }

    [
        Theory,
        InlineData("startupProbe", "/health/live"),
        InlineData("livenessProbe", "/health/live"),
        InlineData("readinessProbe", "/health/ready")
    ]
    public void ASiloIsAskedAboutItsHealth(string probe, string path)
    {
        var asked = DeployFiles.Container(Workload("silo")).At(probe);
        Assert.Equal(path, asked.Text("httpGet", "path"));
        Assert.Equal("http", asked.Text("httpGet", "port"));
        Assert.InRange(asked.Number("timeoutSeconds"), 2, 10);
        // An answer that is late now and then must not cost a silo, nor a slow start.
        if (probe != "readinessProbe")
            Assert.InRange(asked.Number("periodSeconds") * asked.Number("failureThreshold"), 60, 300);
    }

    [Theory, InlineData("startupProbe"), InlineData("livenessProbe"), InlineData("readinessProbe")]
    public void TheStoreIsAskedAboutItsHealth(string probe) =>
        Assert.Equal(
            ["redis-cli", "-e", "ping"],
            DeployFiles.Container(Workload("redis")).Texts(probe, "exec", "command")
        );

    [Fact]
    public void ARolloutNeverLeavesFewerSilos()
    {
        var strategy = Workload("silo").At("spec", "strategy");
        Assert.Equal("RollingUpdate", strategy.Text("type"));
        Assert.Equal(0, strategy.Number("rollingUpdate", "maxUnavailable"));
        Assert.Equal(1, strategy.Number("rollingUpdate", "maxSurge"));
    }

    [Fact]
    public void MachinesAreEmptiedOneSiloAtATime() =>
        Assert.Equal(1, DeployFiles.Object("PodDisruptionBudget", "silo").Number("spec", "maxUnavailable"));

    [Fact]
    public void EverySelectorMeetsThePodsThatItMeans()
    {
        foreach (var workload in DeployFiles.Workloads.Where(w => w.Text("kind") != "Job"))
            Assert.Equal(
                workload.Pairs("spec", "template", "metadata", "labels"),
                workload.Pairs("spec", "selector", "matchLabels")
            );
        var silo = Workload("silo").Pairs("spec", "template", "metadata", "labels");
        Assert.Equal(silo, DeployFiles.Object("PodDisruptionBudget", "silo").Pairs("spec", "selector", "matchLabels"));
        Assert.Equal(
            silo,
            Assert.Single(Pod("silo").Items("topologySpreadConstraints")).Pairs("labelSelector", "matchLabels")
        );
        Assert.Equal(
            Workload("redis").Pairs("spec", "template", "metadata", "labels"),
            DeployFiles.Object("Service", "redis").Pairs("spec", "selector")
        );
        Assert.Equal("redis", Workload("redis").Text("spec", "serviceName"));
    }

    [Fact]
    public void ATrainingIsTriedAgainOnlyIfThatCanHelp()
    {
        var job = Workload("train");
        Assert.Equal("Never", Pod("train").Text("restartPolicy"));
        Assert.InRange(job.Number("spec", "backoffLimit"), 0, 6);
        Assert.True(job.Number("spec", "activeDeadlineSeconds") > 0);
        var rule = Assert.Single(job.Items("spec", "podFailurePolicy", "rules"));
        Assert.Equal("FailJob", rule.Text("action"));
        // Usage, training, verification, data: the same again. Not 4, a cluster that was not there yet.
        Assert.Equal(["2", "3", "5", "6"], rule.Texts("onExitCodes", "values"));
        Assert.Equal(DeployFiles.Container(job).Text("name"), rule.Text("onExitCodes", "containerName"));
    }

    [Fact]
    public void RunFoldersOutliveTheTraining()
    {
        Assert.Equal("/runs", DeployFiles.After("--run-dir", DeployFiles.Container(Workload("train")).Texts("args")));
        var claim = Assert
            .Single(Pod("train").Items("volumes"), v => v.Text("name") == "runs")
            .Text("persistentVolumeClaim", "claimName");
        // In the other kustomization: deleting a training must not delete what it left.
        Assert.Contains(
            Path.Combine(DeployFiles.Kustomizations[0], "runs.yaml"),
            DeployFiles.Resources(DeployFiles.Kustomizations[0])
        );
        Assert.Equal(claim, DeployFiles.Object("PersistentVolumeClaim", "runs").Text("metadata", "name"));
    }

    [Fact]
    public void TheStoreKeepsWhatItAnswered()
    {
        var redis = DeployFiles.Container(Workload("redis"));
        Store.Keeps(redis.Texts("args"), redis.Items("volumeMounts").Select(m => m.Text("mountPath")));
        Assert.Single(Workload("redis").Items("spec", "volumeClaimTemplates"));
    }

    [
        Theory,
        InlineData("silo", "REDIS_PASSWORD"),
        InlineData("train", "REDIS_PASSWORD"),
        InlineData("redis", "REDISCLI_AUTH")
    ]
    public void ThePasswordComesFromTheSecretAndStandsInNoFile(string name, string variable)
    {
        var container = DeployFiles.Container(Workload(name));
        var key = Variable(container, variable).At("valueFrom", "secretKeyRef");
        Assert.Equal(("redis", "password"), (key.Text("name"), key.Text("key")));
        Assert.Contains(
            container.Texts("args"),
            argument => argument.Contains($"$({variable})", StringComparison.Ordinal)
        );
        Assert.DoesNotContain(DeployFiles.Objects, o => o.Text("kind") == "Secret");
    }

    private static YamlNode Workload(string name) =>
        Assert.Single(DeployFiles.Workloads, o => o.Text("metadata", "name") == name);

    private static YamlNode Pod(string name) => Workload(name).At("spec", "template", "spec");

    private static YamlNode Variable(YamlNode container, string name) =>
        Assert.Single(container.Items("env"), v => v.Text("name") == name);
}
