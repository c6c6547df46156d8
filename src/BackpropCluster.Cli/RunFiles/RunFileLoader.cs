using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.RunFiles;

namespace BackpropCluster.Cli.RunFiles;

/// <summary>Brings a run file from the disk.</summary>
internal static class RunFileLoader
{
    /// <summary>Brings a run file until a signal comes. It may come through a pipe that nobody writes yet, and its rows
    /// from a disk that does not answer: what is still being read then ends with the process.</summary>
    public static Task<RunFile> UntilASignal(Func<RunFile> load, CancellationToken signal) =>
        Task.Run(load, CancellationToken.None).WaitAsync(signal);

    /// <exception cref="CommandFailedException">The file cannot be read.</exception>
    /// <exception cref="RunFileException">The file says something that is not understood.</exception>
    public static RunFile Load(string path, IReadOnlyList<string>? sets)
    {
        string text;
        try
        {
            // One character more than is allowed is enough to refuse a file, however long it is.
            using var reader = new StreamReader(path);
            var characters = new char[RunFileSyntax.MaxCharacters + 1];
            text = new string(characters, 0, reader.ReadBlock(characters));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CommandFailedException(
                ExitCode.Usage,
                $"the run file {path} cannot be read: {e.Message} Nothing was started."
            );
        }

        return RunFile.Read(path, text, sets ?? []);
    }
}
