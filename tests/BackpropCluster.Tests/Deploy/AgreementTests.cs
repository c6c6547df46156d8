using System.Globalization;
using System.Text.RegularExpressions;

namespace BackpropCluster.Tests.Deploy;

/// <summary>What stands in several files is the same in all of them: images, ports, addresses.</summary>
public sealed partial class AgreementTests
{
    private static string[] ComposeSilo => DeployFiles.Service("silo").Texts("command");

    private static string[] KubernetesSilo =>
        DeployFiles.Container(DeployFiles.Object("Deployment", "silo")).Texts("args");

    [Fact]
    public void EveryImageIsPinned()
    {
        var images = DeployFiles
            .Dockerfile.Where(i => i.Name == "FROM")
            .Select(i => i.Value.Split(' ')[0])
            .Concat(DeployFiles.Compose.Keys("services").Select(name => DeployFiles.Service(name).Text("image")))
            .Concat(DeployFiles.Workloads.Select(w => DeployFiles.Container(w).Text("image")))
            .ToList();
        Assert.True(images.Count >= 11, $"only {images.Count} images were found");
        foreach (var image in images)
            Assert.Matches(@":v?\d+\.\d+[\w.-]*$", image);
        Assert.Single(images.Where(image => image.StartsWith("redis:", StringComparison.Ordinal)).Distinct());
    }

    /// <summary>Silos of two versions refuse each other, so a tag must say which version it holds.</summary>
    [Fact]
    public void OurImageIsTaggedWithTheProgramsVersion()
    {
        var image = $"backprop-cluster:{DeployFiles.Version}";
        foreach (var name in new[] { "silo", "train" })
        {
            Assert.Equal(image, DeployFiles.Service(name).Text("image"));
            Assert.Equal(
                image,
                DeployFiles
                    .Container(Assert.Single(DeployFiles.Workloads, w => w.Text("metadata", "name") == name))
                    .Text("image")
            );
        }

        foreach (var path in new[] { "deploy/Dockerfile", "deploy/README.md", "deploy/kubernetes/kustomization.yaml" })
        foreach (Match match in OurImage().Matches(File.ReadAllText(DeployFiles.PathOf(path))))
            Assert.Equal($"{path}: {image}", $"{path}: {match.Value}");
    }

    [
        Theory,
        InlineData("--silo-port", "silo", 11111),
        InlineData("--gateway-port", "gateway", 30000),
        InlineData("--http-port", "http", 8080)
    ]
    public void EachPortIsTheSameEverywhere(string option, string name, int port)
    {
        var number = port.ToString(CultureInfo.InvariantCulture);
        Assert.Contains(number, DeployFiles.Instruction("EXPOSE").Split(' '));
        Assert.Equal(number, DeployFiles.After(option, ComposeSilo));
        Assert.Equal(number, DeployFiles.After(option, KubernetesSilo));
        Assert.Equal(
            port,
            Assert
                .Single(
                    DeployFiles.Container(DeployFiles.Object("Deployment", "silo")).Items("ports"),
                    p => p.Text("name") == name
                )
                .Number("containerPort")
        );
    }

    [Fact]
    public void HealthIsAskedOnThePortThatServesIt()
    {
        var port = DeployFiles.After("--http-port", ComposeSilo);
        Assert.Equal(port, DeployFiles.Service("silo").Texts("healthcheck", "test")[^1]);
        Assert.Equal(port, DeployFiles.ExecForm(DeployFiles.Instruction("HEALTHCHECK"))[^1]);
        // health.sh asks 127.0.0.1, so the silo that it asks must listen there too.
        Assert.Equal("0.0.0.0", DeployFiles.After("--listen", ComposeSilo));
    }

    [Fact]
    public void EverybodyMeetsInOneStore()
    {
        var redis = DeployFiles.Object("Service", "redis");
        Assert.Equal(6379, Assert.Single(redis.Items("spec", "ports")).Number("port"));
        Assert.Equal(
            6379,
            Assert
                .Single(DeployFiles.Container(DeployFiles.Object("StatefulSet", "redis")).Items("ports"))
                .Number("containerPort")
        );
        Assert.Contains("redis", DeployFiles.Compose.Keys("services"));
        var urls = new[]
        {
            ComposeSilo,
            DeployFiles.Service("train").Texts("entrypoint"),
            KubernetesSilo,
            DeployFiles.Container(DeployFiles.Object("Job", "train")).Texts("args"),
        }
            .Select(arguments => DeployFiles.After("--cluster", arguments))
            .ToList();
        Assert.All(urls, url => Assert.EndsWith("@redis:6379/0", url, StringComparison.Ordinal));
        Assert.Equal(urls[0], urls[1]);
        Assert.Equal(urls[2], urls[3]);
    }

    [Fact]
    public void BothWaysTrainTheSameExample()
    {
        var compose = Assert.Single(DeployFiles.Service("train").Texts("command"));
        Assert.Contains(compose, DeployFiles.Container(DeployFiles.Object("Job", "train")).Texts("args"));
        Assert.True(File.Exists(DeployFiles.PathOf(compose)));
        Assert.Equal(
            DeployFiles.Service("silo").Text("deploy", "replicas"),
            DeployFiles.Object("Deployment", "silo").Text("spec", "replicas")
        );
    }

    [Fact]
    public void TheReadmeFitsOnAScreenAndNamesWhatExists()
    {
        var text = File.ReadAllText(DeployFiles.PathOf("deploy/README.md"));
        Assert.InRange(text.Split('\n').Length, 10, 70);
        foreach (var match in NamedFile().Matches(text).Cast<Match>())
            Assert.True(
                Path.Exists(DeployFiles.PathOf(match.Groups[1].Value)),
                $"deploy/README.md names {match.Groups[1].Value}, which does not exist"
            );
        Assert.Contains("--replicas=0", text, StringComparison.Ordinal);
        Assert.Contains("--scale silo=3", text, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"backprop-cluster:[\w.-]*\w")]
    private static partial Regex OurImage();

    [GeneratedRegex(@"(?:`|\s)((?:deploy|examples|tests|docs)/[A-Za-z0-9_./-]*[A-Za-z0-9_])")]
    private static partial Regex NamedFile();
}
