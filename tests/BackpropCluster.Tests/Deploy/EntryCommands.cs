using System.Text.RegularExpressions;

namespace BackpropCluster.Tests.Deploy;

/// <summary>The command lines with which the deployment's files start the program, as the program gets them.</summary>
internal static partial class EntryCommands
{
    private static readonly Surroundings InCompose = new(null, "", "");

    private static readonly Surroundings InKubernetes = new("0123456789abcdef", "silo-6f7d9c5b8-x2x4q", "10.42.0.7");

    /// <summary>What deploy/README.md puts behind <c>docker compose run --rm train</c>.</summary>
    public static IReadOnlyList<string[]> RunsInReadme { get; } =
    [
        .. RunInReadme()
            .Matches(File.ReadAllText(DeployFiles.PathOf("deploy/README.md")))
            .Select(m => m.Groups[1].Value.Trim().Split(' ')),
    ];

    /// <summary>Where each stands, and the arguments behind <c>dotnet backprop.dll</c>, with every variable
    /// replaced.</summary>
    public static IReadOnlyList<(string Where, string[] Arguments)> All { get; } =
    [
        ("deploy/Dockerfile CMD", DeployFiles.ExecForm(DeployFiles.Instruction("CMD"))),
        .. DeployFiles
            .Compose.Keys("services")
            .Where(IsOurs)
            .Select(name => ($"{Role.ComposeFile} {name}", Arguments(Role.OfService(name, InCompose)))),
        .. DeployFiles
            .Workloads.Select(w => (Name: w.Text("metadata", "name"), Role: Role.OfPod(w, InKubernetes)))
            .Where(w => w.Role.IsOurs)
            .Select(w => ($"{Role.KubernetesFolder} {w.Name}", Arguments(w.Role))),
        .. RunsInReadme.Select(command =>
            ($"deploy/README.md {string.Join(' ', command)}", Arguments(Role.OfService("train", InCompose, command)))
        ),
    ];

    private static bool IsOurs(string service) =>
        DeployFiles.Service(service).Text("image").StartsWith("backprop-cluster:", StringComparison.Ordinal);

    private static string[] Arguments(Role role)
    {
        var image = DeployFiles.ExecForm(DeployFiles.Instruction("ENTRYPOINT"));
        Assert.Equal(image, role.Command[..image.Length]);
        return role.Command[image.Length..];
    }

    [GeneratedRegex(@"docker compose run --rm train ([^`\n#]+)")]
    private static partial Regex RunInReadme();
}
