using System.Runtime.InteropServices;

namespace BackpropCluster.Cli.CommandLine;

/// <summary>Signals that ask the program to end. The first, SIGINT or SIGTERM, asks for an orderly end; the second is
/// left to the system, which ends the process at once.</summary>
internal static class Interruption
{
    private static readonly CancellationTokenSource Asked = new();

    // Kept to the end of the process: a signal that comes when all is done must not change the exit code.
    private static readonly List<PosixSignalRegistration> Registrations = [];

    /// <summary>From now on signals are heard.</summary>
    public static CancellationToken Listen()
    {
        Registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, Ask));
        Registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, Ask));
        return Asked.Token;
    }

    private static void Ask(PosixSignalContext signal)
    {
        if (Asked.IsCancellationRequested)
            return;
        signal.Cancel = true;
        Asked.Cancel();
    }
}
