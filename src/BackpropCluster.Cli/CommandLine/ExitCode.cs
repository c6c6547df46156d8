namespace BackpropCluster.Cli.CommandLine;

/// <summary>How a command ended, for scripts.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    /// <summary>An internal error.</summary>
    public const int InternalError = 1;

    /// <summary>Usage or run file.</summary>
    public const int Usage = 2;

    /// <summary>Training failed: NaN or infinity.</summary>
    public const int TrainingFailed = 3;

    /// <summary>Cluster not reachable, or lost for good.</summary>
    public const int ClusterLost = 4;

    /// <summary>Something that must be equal was not.</summary>
    public const int VerificationFailed = 5;

    /// <summary>Data or another file.</summary>
    public const int File = 6;

    /// <summary>Standard output cannot be written: it is closed, or what it goes to is full.</summary>
    public const int Unwritten = 7;

    public const int Interrupted = 130;
}

/// <summary>An end that a user caused or can do something about: one or two lines and an exit code, never a stack
/// trace.</summary>
internal sealed class CommandFailedException(int exitCode, string message) : Exception(message)
{
    public int ExitCode => exitCode;
}
