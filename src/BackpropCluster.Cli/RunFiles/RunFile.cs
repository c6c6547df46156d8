using BackpropCluster.Core;
using BackpropCluster.Core.Data;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>A run file that was read and found sound: what to train, and where.</summary>
/// <param name="Spec">What.</param>
/// <param name="Cluster">Where.</param>
/// <param name="Table">The rows that the file names, as they were read to check it.</param>
internal sealed record RunFile(RunSpec Spec, ClusterSpec Cluster, Table Table)
{
    /// <summary>Reads a run file: defaults &lt; file &lt; <c>--set</c>.</summary>
    /// <param name="path">For places in errors, and for the name where the file gives none.</param>
    /// <param name="text">The file's text.</param>
    /// <param name="sets">key=value, the later ones last.</param>
    /// <exception cref="RunFileException">Something is unknown, missing, misshapen or does not fit together.</exception>
    public static RunFile Read(string path, string text, IReadOnlyList<string> sets)
    {
        var root = RunFileSyntax.ReadFile(path, text);
        foreach (var set in sets) Overrides.Apply(root, set);
        return RunFileReader.Read(path, root);
    }

    /// <summary>The run with every default spelt out; reads back as an equal one.</summary>
    public string ToYaml() => RunFileWriter.Write(this);
}
