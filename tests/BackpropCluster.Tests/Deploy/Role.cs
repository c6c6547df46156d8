using System.Globalization;
using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace BackpropCluster.Tests.Deploy;

/// <summary>What Compose or Kubernetes would put in the place of variables.</summary>
/// <param name="Password">The store's; Compose has a default.</param>
/// <param name="Pod">The pod's name.</param>
/// <param name="Address">The pod's address.</param>
internal sealed record Surroundings(string? Password, string Pod, string Address);

/// <summary>A folder of a container that can be written: in memory, or a volume that is kept.</summary>
internal sealed record Mount(string Path, string? Volume, string Mode, int Owner, int Group, int Mebibytes = 0);

/// <summary>How a container is asked about its health: by a command in it, or by HTTP from outside.</summary>
internal sealed record Probe(string[] Command, int Port = 0, string Path = "");

/// <summary>All that a deployment's file says about how a container is started.</summary>
internal sealed partial record Role
{
    public const string ComposeFile = "docker-compose.yml";
    public const string KubernetesFolder = "deploy/kubernetes";

    /// <summary>Whether it is started from the image that the Dockerfile makes.</summary>
    public required bool IsOurs { get; init; }

    public required int User { get; init; }

    public required int Group { get; init; }

    /// <summary>The group that a pod's disks belong to, of which its user is a member too.</summary>
    public int? FileGroup { get; init; }

    /// <summary>Entry point and arguments, with every variable replaced.</summary>
    public required string[] Command { get; init; }

    /// <summary>What the Dockerfile and the file set.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    public required IReadOnlyList<Mount> Mounts { get; init; }

    public required bool IsReadOnly { get; init; }

    public required string[] CapabilitiesDropped { get; init; }

    public required IReadOnlyList<Probe> Probes { get; init; }

    public required int Replicas { get; init; }

    /// <summary>How long it has to end after SIGTERM.</summary>
    public required TimeSpan Grace { get; init; }

    /// <summary>Whether others find it by its name.</summary>
    public required bool HasName { get; init; }

    /// <summary>Where the command starts.</summary>
    public string Folder => IsOurs ? DeployFiles.Instruction("WORKDIR") : "/data"; // Redis' own Dockerfile says so

    public static Role Read(string file, string name, Surroundings values) =>
        file == ComposeFile
            ? OfService(name, values)
            : OfPod(Assert.Single(DeployFiles.Workloads, w => w.Text("metadata", "name") == name), values);

    /// <param name="name">The service's name.</param>
    /// <param name="values">What variables mean.</param>
    /// <param name="command">In place of the service's own.</param>
    public static Role OfService(string name, Surroundings values, string[]? command = null)
    {
        var service = DeployFiles.Service(name);
        var user = service.Text("user").Split(':').Select(id => int.Parse(id, CultureInfo.InvariantCulture)).ToArray();
        var ours = OurImage(service);
        string Filled(string text) => WithDefault().Replace(text, match => values.Password ?? match.Groups[1].Value);
        // A service's entry point replaces the image's; its command is appended to either.
        var entry = service.Find("entrypoint") is null ? EntryPoint(ours) : service.Texts("entrypoint");
        var check = service.Texts("healthcheck", "test");
        return new Role
        {
            IsOurs = ours,
            User = user[0],
            Group = user[1],
            Command = [.. entry.Concat(command ?? service.Texts("command")).Select(Filled)],
            Environment = Environments(
                ours,
                service.Pairs("environment").Select(pair => (pair.Key, Filled(pair.Value)))
            ),
            // A new volume takes its owner from the folder that it covers, which the image makes for this user.
            Mounts =
            [
                .. service
                    .Texts("tmpfs")
                    .Select(text => MemoryMount().Match(text).Groups)
                    .Select(g => new Mount(
                        g[1].Value,
                        null,
                        g[3].Value,
                        0,
                        0,
                        int.Parse(g[2].Value, CultureInfo.InvariantCulture)
                    )),
                .. service
                    .Texts("volumes")
                    .Select(text => text.Split(':'))
                    .Select(v => new Mount(v[1], v[0], "755", user[0], user[1])),
            ],
            IsReadOnly = service.Text("read_only") == "true",
            CapabilitiesDropped = service.Texts("cap_drop"),
            Probes = check.Length == 0 ? [] : [new Probe(check[1..])],
            Replicas = service.Find("deploy", "replicas") is null ? 1 : service.Number("deploy", "replicas"),
            Grace = TimeSpan.FromSeconds(
                service.Find("stop_grace_period") is { } grace
                    ? int.Parse(grace.Text().TrimEnd('s'), CultureInfo.InvariantCulture)
                    : 10
            ),
            HasName = true,
        };
    }

    /// <param name="workload">A Deployment, a StatefulSet or a Job.</param>
    /// <param name="values">What variables mean.</param>
    public static Role OfPod(YamlNode workload, Surroundings values)
    {
        var (pod, container) = (workload.At("spec", "template", "spec"), DeployFiles.Container(workload));
        Assert.Null(container.Find("command"));
        var ours = OurImage(container);
        var environment = Environments(ours, container.Items("env").Select(v => (v.Text("name"), Value(v, values))));
        return new Role
        {
            IsOurs = ours,
            User = pod.Number("securityContext", "runAsUser"),
            Group = pod.Number("securityContext", "runAsGroup"),
            FileGroup = pod.Find("securityContext", "fsGroup") is null
                ? null
                : pod.Number("securityContext", "fsGroup"),
            Command =
            [
                .. EntryPoint(ours),
                .. container
                    .Texts("args")
                    .Select(text => Variable().Replace(text, match => environment[match.Groups[1].Value])),
            ],
            Environment = environment,
            Mounts = [.. container.Items("volumeMounts").Select(mount => MountOf(mount, workload))],
            IsReadOnly = container.Text("securityContext", "readOnlyRootFilesystem") == "true",
            CapabilitiesDropped = container.Texts("securityContext", "capabilities", "drop"),
            Probes =
            [
                .. new[] { "startupProbe", "livenessProbe", "readinessProbe" }
                    .Select(key => container.Find(key))
                    .OfType<YamlNode>()
                    .Select(probe => ProbeOf(probe, container)),
            ],
            Replicas = workload.Find("spec", "replicas") is null ? 1 : workload.Number("spec", "replicas"),
            Grace = TimeSpan.FromSeconds(
                pod.Find("terminationGracePeriodSeconds") is null ? 30 : pod.Number("terminationGracePeriodSeconds")
            ),
            HasName = DeployFiles.Objects.Any(o =>
                o.Text("kind") == "Service" && o.Text("metadata", "name") == workload.Text("metadata", "name")
            ),
        };
    }

    private static bool OurImage(YamlNode container) =>
        container.Text("image").StartsWith("backprop-cluster:", StringComparison.Ordinal);

    // Redis' entry point hands over to its arguments where the user is not root.
    private static string[] EntryPoint(bool ours) =>
        ours ? DeployFiles.ExecForm(DeployFiles.Instruction("ENTRYPOINT")) : [];

    private static SortedDictionary<string, string> Environments(
        bool ours,
        IEnumerable<(string Name, string Value)> own
    )
    {
        var image = ours
            ? DeployFiles
                .Instruction("ENV")
                .Split(' ')
                .Select(text => text.Split('=', 2))
                .Select(pair => (pair[0], pair[1]))
            : [];
        var all = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in image.Concat(own))
            all[name] = value;
        return all;
    }

    private static string Value(YamlNode variable, Surroundings values) =>
        variable.Find("valueFrom", "fieldRef", "fieldPath")?.Text() switch
        {
            "metadata.name" => values.Pod,
            "status.podIP" => values.Address,
            null when variable.Find("valueFrom", "secretKeyRef", "key")?.Text() == "password" => values.Password!,
            null => variable.Text("value"),
            var other => throw new Xunit.Sdk.XunitException($"line {variable.Start.Line}: nobody here knows {other}"),
        };

    private static Mount MountOf(YamlNode mount, YamlNode workload)
    {
        var (path, name, pod) = (mount.Text("mountPath"), mount.Text("name"), workload.At("spec", "template", "spec"));
        var volume = pod.Items("volumes").FirstOrDefault(v => v.Text("name") == name);
        if (volume?.Find("emptyDir") is { } memory)
            return new Mount(
                path,
                null,
                "777",
                0,
                0,
                int.Parse(
                    memory.Text("sizeLimit").Replace("Mi", "", StringComparison.Ordinal),
                    CultureInfo.InvariantCulture
                )
            );
        // A disk is root's; the kubelet gives it to the pod's group.
        return new Mount(
            path,
            volume?.Text("persistentVolumeClaim", "claimName") ?? name,
            "2775",
            0,
            pod.Number("securityContext", "fsGroup")
        );
    }

    private static Probe ProbeOf(YamlNode probe, YamlNode container) =>
        probe.Find("httpGet") is { } get
            ? new Probe(
                [],
                Assert
                    .Single(container.Items("ports"), port => port.Text("name") == get.Text("port"))
                    .Number("containerPort"),
                get.Text("path")
            )
            : new Probe(probe.Texts("exec", "command"));

    [GeneratedRegex(@"\$\{REDIS_PASSWORD:-([^}]*)\}")]
    private static partial Regex WithDefault();

    [GeneratedRegex(@"\$\((\w+)\)")]
    private static partial Regex Variable();

    [GeneratedRegex(@"^(.+):size=(\d+)m,mode=(\d+)$")]
    private static partial Regex MemoryMount();
}
