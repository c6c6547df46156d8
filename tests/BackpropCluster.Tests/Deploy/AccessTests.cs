using YamlDotNet.RepresentationModel;

namespace BackpropCluster.Tests.Deploy;

/// <summary>Who may speak to whom in Kubernetes: the policies, applied as the fabric would apply them.</summary>
public sealed class AccessTests
{
    private static readonly string[] Pods = ["silo", "train", "redis"];

    private static readonly int[] Ports = [11111, 30000, 8080, 6379];

    /// <summary>All that is needed; everything else between our pods is closed.</summary>
    private static readonly HashSet<(string From, string To, int Port)> Needed =
    [
        ("silo", "silo", 11111),
        ("train", "silo", 30000),
        ("silo", "redis", 6379),
        ("train", "redis", 6379),
    ];

    [Fact]
    public void EachPodReachesWhatItNeedsAndNothingElse()
    {
        foreach (var from in Pods)
        foreach (var to in Pods)
        foreach (var port in Ports)
        {
            var open =
                Allowed("Egress", from, rule => MayMeet(rule.Items("to"), to), port)
                && Allowed("Ingress", to, rule => MayMeet(rule.Items("from"), from), port);
            Assert.True(
                open == Needed.Contains((from, to, port)),
                $"{from} → {to}:{port} is {(open ? "open" : "closed")}"
            );
        }
    }

    /// <summary>A pod that no policy selects is open to everybody, those of other namespaces too.</summary>
    [Fact]
    public void NobodySpeaksUnlessARuleSaysSo()
    {
        var policy = DeployFiles.Object("NetworkPolicy", "nobody-but");
        Assert.Empty(policy.Keys("spec", "podSelector"));
        Assert.Equal(["Ingress", "Egress"], policy.Texts("spec", "policyTypes"));
        Assert.Equal(["podSelector", "policyTypes"], policy.Keys("spec"));
    }

    [Fact]
    public void OnlyMonitoringComesFromOutsideAndOnlyForHttp()
    {
        var outside = Policies("Ingress")
            .SelectMany(p => p.Items("spec", "ingress"))
            .SelectMany(rule => rule.Items("from").Select(peer => (Peer: peer, Rule: rule)))
            .Where(r => r.Peer.Find("podSelector") is null)
            .ToList();
        var (peer, rule) = Assert.Single(outside);
        Assert.Equal("monitoring", peer.Text("namespaceSelector", "matchLabels", "kubernetes.io/metadata.name"));
        Assert.Equal(8080, Assert.Single(rule.Items("ports")).Number("port"));
    }

    /// <summary>A rule without peers or ports would be open to all.</summary>
    [Fact]
    public void NoRuleIsOpenToAll()
    {
        foreach (var rule in Policies("Ingress").SelectMany(p => p.Items("spec", "ingress")))
            Assert.True(rule.Items("from").Count > 0 && rule.Items("ports").Count > 0, $"line {rule.Start.Line}");
        foreach (var rule in Policies("Egress").SelectMany(p => p.Items("spec", "egress")))
            Assert.True(rule.Items("to").Count > 0 && rule.Items("ports").Count > 0, $"line {rule.Start.Line}");
    }

    [Fact]
    public void NamesAreLookedUpInsideTheCluster()
    {
        var rule = Assert.Single(DeployFiles.Object("NetworkPolicy", "names").Items("spec", "egress"));
        Assert.Equal(
            "kube-system",
            Assert.Single(rule.Items("to")).Text("namespaceSelector", "matchLabels", "kubernetes.io/metadata.name")
        );
        Assert.Equal(["53", "53"], rule.Items("ports").Select(p => p.Text("port")));
    }

    // Open if no policy of this direction selects the pod, or if a rule of one that does lets it through.
    private static bool Allowed(string direction, string pod, Func<YamlNode, bool> meets, int port)
    {
        var selecting = Policies(direction).Where(p => Selects(p.At("spec", "podSelector"), pod)).ToList();
        var key = direction == "Ingress" ? "ingress" : "egress";
        return selecting.Count == 0
            || selecting
                .SelectMany(p => p.Items("spec", key))
                .Any(rule =>
                    meets(rule) && rule.Items("ports").Any(p => p.Number("port") == port && p.Text("protocol") == "TCP")
                );
    }

    private static IEnumerable<YamlNode> Policies(string direction) =>
        DeployFiles.Objects.Where(o =>
            o.Text("kind") == "NetworkPolicy" && o.Texts("spec", "policyTypes").Contains(direction)
        );

    private static bool MayMeet(IEnumerable<YamlNode> peers, string pod) =>
        peers.Any(peer =>
            peer.Find("namespaceSelector") is null && peer.Find("podSelector") is { } selector && Selects(selector, pod)
        );

    private static bool Selects(YamlNode selector, string pod)
    {
        var labels = Assert
            .Single(DeployFiles.Workloads, o => o.Text("metadata", "name") == pod)
            .Pairs("spec", "template", "metadata", "labels");
        Assert.All(selector.Items("matchExpressions"), e => Assert.Equal("In", e.Text("operator")));
        return selector.Pairs("matchLabels").All(pair => labels.GetValueOrDefault(pair.Key) == pair.Value)
            && selector
                .Items("matchExpressions")
                .All(e => e.Texts("values").Contains(labels.GetValueOrDefault(e.Text("key"))));
    }
}
