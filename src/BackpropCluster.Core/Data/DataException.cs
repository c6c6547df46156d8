namespace BackpropCluster.Core.Data;

/// <summary>Data that cannot be used.</summary>
/// <param name="file">The file.</param>
/// <param name="what">Got and expected.</param>
/// <param name="cure">What to do.</param>
public sealed class DataException(string file, string what, string cure) : Exception($"{file}: {what}. Nothing was started. {cure}")
{
    public string File => file;
}
