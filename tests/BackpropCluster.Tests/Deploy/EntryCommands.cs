using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace BackpropCluster.Tests.Deploy;

/// <summary>The command lines with which the deployment's files start the program, as the program gets them.</summary>
internal static partial class EntryCommands
{
    /// <summary>Where each stands, and the arguments behind <c>dotnet backprop.dll</c>, with every variable replaced.</summary>
    public static IReadOnlyList<(string Where, string[] Arguments)> All { get; } =
    [
        ("deploy/Dockerfile CMD", DeployFiles.ExecForm(DeployFiles.Instruction("CMD"))),
        .. DeployFiles.Compose.Keys("services").Where(IsOurs).Select(name => ($"docker-compose.yml {name}", OfService(DeployFiles.Service(name), DeployFiles.Service(name).Texts("command")))),
        .. DeployFiles.Workloads.Where(w => DeployFiles.Container(w).Text("image").StartsWith("backprop-cluster:", StringComparison.Ordinal))
            .Select(w => ($"deploy/kubernetes {w.Text("metadata", "name")}", OfContainer(DeployFiles.Container(w)))),
        .. RunInReadme().Matches(File.ReadAllText(DeployFiles.PathOf("deploy/README.md"))).Select(m => ($"deploy/README.md {m.Value.Trim()}", OfService(DeployFiles.Service("train"), m.Groups[1].Value.Trim().Split(' ')))),
    ];

    private static bool IsOurs(string service) => DeployFiles.Service(service).Text("image").StartsWith("backprop-cluster:", StringComparison.Ordinal);

    // A service's entry point replaces the image's; its command is appended to either.
    private static string[] OfService(YamlNode service, string[] command)
    {
        var image = DeployFiles.ExecForm(DeployFiles.Instruction("ENTRYPOINT"));
        var entry = service.Find("entrypoint") is null ? image : service.Texts("entrypoint");
        Assert.Equal(image, entry[..image.Length]);
        return [.. entry[image.Length..].Concat(command).Select(text => WithDefault().Replace(text, match => match.Groups[1].Value))];
    }

    private static string[] OfContainer(YamlNode container)
    {
        Assert.Null(container.Find("command"));
        var values = container.Items("env").ToDictionary(v => v.Text("name"), Example);
        return [.. container.Texts("args").Select(text => Variable().Replace(text, match => values[match.Groups[1].Value]))];
    }

    private static string Example(YamlNode variable) => variable.Find("valueFrom", "fieldRef", "fieldPath")?.Text() switch
    {
        "metadata.name" => "silo-6f7d9c5b8-x2x4q",
        "status.podIP" => "10.42.0.7",
        _ => "0123456789abcdef",
    };

    [GeneratedRegex(@"\$\{\w+:-([^}]*)\}")]
    private static partial Regex WithDefault();

    [GeneratedRegex(@"\$\((\w+)\)")]
    private static partial Regex Variable();

    [GeneratedRegex(@"docker compose run --rm train ([^`\n#]+)")]
    private static partial Regex RunInReadme();
}
