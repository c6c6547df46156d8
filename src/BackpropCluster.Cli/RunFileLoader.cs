using BackpropCluster.Cli.RunFiles;

namespace BackpropCluster.Cli;

/// <summary>Brings a run file from the disk.</summary>
internal static class RunFileLoader
{
    /// <exception cref="CommandFailedException">The file cannot be read.</exception>
    /// <exception cref="RunFileException">The file says something that is not understood.</exception>
    public static RunFile Load(string path, IReadOnlyList<string>? sets)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CommandFailedException(ExitCode.Usage, $"the run file {path} cannot be read: {e.Message} Nothing was started.");
        }

        return RunFile.Read(path, text, sets ?? []);
    }
}
