namespace BackpropCluster.Core.Data;

/// <summary>Data that cannot be used. What state remains only whoever asked for them knows: a command, or a run that is
/// under way.</summary>
/// <param name="file">The file.</param>
/// <param name="what">Got and expected.</param>
/// <param name="cure">What to do.</param>
public sealed class DataException(string file, string what, string cure) : Exception($"{file}: {what}. {cure}")
{
    public string File => file;

    /// <summary>Got and expected, without a full stop.</summary>
    public string What => what;

    public string Cure => cure;
}
