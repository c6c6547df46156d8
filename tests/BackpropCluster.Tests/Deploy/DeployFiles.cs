using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace BackpropCluster.Tests.Deploy;

/// <summary>The files that start the program in containers, read from the repository.</summary>
internal static partial class DeployFiles
{
    public static string Root { get; } = FindRoot();

    /// <summary>The version that the build gives the program.</summary>
    public static string Version { get; } =
        VersionElement().Match(File.ReadAllText(Path.Combine(Root, "Directory.Build.props"))).Groups[1].Value;

    public static YamlNode Compose { get; } = Assert.Single(Yaml.Read(Path.Combine(Root, "docker-compose.yml")));

    /// <summary>The Dockerfile's instructions, with continued lines joined.</summary>
    public static IReadOnlyList<(string Name, string Value)> Dockerfile { get; } = ReadDockerfile();

    /// <summary>Folders below deploy/kubernetes that have a kustomization, outermost first.</summary>
    public static IReadOnlyList<string> Kustomizations { get; } =
    [
        .. Directory
            .GetFiles(PathOf("deploy/kubernetes"), "kustomization.yaml", SearchOption.AllDirectories)
            .Select(path => Path.GetDirectoryName(path)!)
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>Every object that the kustomizations name.</summary>
    public static IReadOnlyList<YamlNode> Objects { get; } =
    [.. Kustomizations.SelectMany(folder => Resources(folder).SelectMany(Yaml.Read))];

    /// <summary>The objects that make pods: the Deployment, the StatefulSet and the Job.</summary>
    public static IEnumerable<YamlNode> Workloads =>
        Objects.Where(o => o.Find("spec", "template", "spec", "containers") is not null);

    public static string PathOf(string path) => Path.Combine(Root, path);

    /// <summary>The files that a kustomization names.</summary>
    public static IEnumerable<string> Resources(string folder) =>
        Assert
            .Single(Yaml.Read(Path.Combine(folder, "kustomization.yaml")))
            .Texts("resources")
            .Select(name => Path.Combine(folder, name));

    public static YamlNode Object(string kind, string name) =>
        Assert.Single(Objects, o => o.Text("kind") == kind && o.Text("metadata", "name") == name);

    /// <summary>The one container of a workload's pods.</summary>
    public static YamlNode Container(YamlNode workload) =>
        Assert.Single(workload.Items("spec", "template", "spec", "containers"));

    public static YamlNode Service(string name) => Compose.At("services", name);

    /// <summary>The last value that the Dockerfile gives an instruction; of the last stage, since every later one
    /// counts.</summary>
    public static string Instruction(string name) => Dockerfile.Last(i => i.Name == name).Value;

    /// <summary>The strings of an instruction in exec form, e.g. ["dotnet", "backprop.dll"].</summary>
    public static string[] ExecForm(string instruction) =>
        System.Text.Json.JsonSerializer.Deserialize<string[]>(
            instruction[instruction.IndexOf('[', StringComparison.Ordinal)..]
        )!;

    /// <summary>The word behind an option in a command line.</summary>
    public static string After(string option, IReadOnlyList<string> arguments)
    {
        var at = arguments.ToList().IndexOf(option);
        Assert.True(at >= 0 && at + 1 < arguments.Count, $"'{string.Join(' ', arguments)}' has no {option}");
        return arguments[at + 1];
    }

    private static List<(string Name, string Value)> ReadDockerfile()
    {
        var lines = File.ReadAllLines(PathOf("deploy/Dockerfile")).Where(line => line.Length > 0 && line[0] != '#');
        var text = string.Join('\n', lines).Replace("\\\n", " ", StringComparison.Ordinal);
        return
        [
            .. text.Split('\n')
                .Select(line => line.Split(' ', 2))
                .Select(parts => (parts[0], Spaces().Replace(parts[1], " ").Trim())),
        ];
    }

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "BackpropCluster.sln")))
            directory =
                directory.Parent
                ?? throw new InvalidOperationException("the tests do not run below the repository's root");
        return directory.FullName;
    }

    [GeneratedRegex("<Version>(.+?)</Version>")]
    private static partial Regex VersionElement();

    [GeneratedRegex(" +")]
    private static partial Regex Spaces();
}
